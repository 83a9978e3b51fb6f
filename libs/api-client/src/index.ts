export { ApiProblemError, UnexpectedResponseError } from './api-errors.js';
export { ConfigurationServerClient, type ClientOptions } from './client.js';
export { OperatorClient, type EventExport, type OperatorClientOptions } from './operator-client.js';
