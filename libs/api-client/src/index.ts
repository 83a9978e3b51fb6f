export { ApiProblemError, UnexpectedResponseError } from './api-errors.js';
export { heartbeatPauseMs, longestPauseMs, retryPauseMs, type RetryCircumstances } from './back-off.js';
export { ConfigurationServerClient, type ClientOptions, type RegistrationSecret } from './client.js';
export { OperatorClient, type EventExport, type OperatorClientOptions } from './operator-client.js';
