export { CliError, interrupted, usageError } from './cli-error.js';
export { EXIT_CODES, type ExitCode } from './exit-codes.js';
export { errorCode, failureOf, messageOf, type Advice, type Failure } from './failures.js';
export { OutputStream } from './output-stream.js';
