/** The surroundings do not let it start; the message tells the operator all there is to know. */
export class StartupError extends Error {}
