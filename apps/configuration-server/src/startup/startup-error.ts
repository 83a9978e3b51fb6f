/** The environment prevents the start; the message is for the operator. */
export class StartupError extends Error {}
