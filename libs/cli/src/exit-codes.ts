/** Exit codes of the command lines; stable, because scripts decide by them. */
export const EXIT_CODES = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** A rule of the server, or a check of the program, rejected the command. */
  refused: 3,
  secretNotAccepted: 4,
  notFound: 5,
  unreachable: 6,
  waitTimedOut: 7,
  configuration: 78,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];
