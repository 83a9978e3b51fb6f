import { EXIT_CODES as EXIT, type ExitCode } from '@app/cli';

/** What each code means, for the help and the documentation. */
export const EXIT_CODE_MEANINGS: readonly (readonly [ExitCode, string])[] = [
  [EXIT.ok, 'success'],
  [EXIT.failed, 'failed; the message says why'],
  [EXIT.usage, 'the command line is invalid; the message names the option'],
  [EXIT.refused, 'a rule of the configuration server rejects it'],
  [EXIT.secretNotAccepted, 'a secret is not accepted: passphrase, enrolment, credential, or password of the proxy'],
  [EXIT.notFound, 'not installed, or no longer registered'],
  [EXIT.unreachable, 'the configuration server cannot be reached, or is not ready'],
  [EXIT.waitTimedOut, 'the wait timed out'],
  [EXIT.configuration, 'the configuration or the state folder cannot be used; a restart does not help'],
  [EXIT.interrupted, 'interrupted'],
];

/** From the most to the least severe: the exit code of several facts is the first that occurs. */
const BY_SEVERITY: readonly ExitCode[] = [
  EXIT.configuration,
  EXIT.usage,
  EXIT.failed,
  EXIT.secretNotAccepted,
  EXIT.refused,
  EXIT.notFound,
  EXIT.unreachable,
  EXIT.waitTimedOut,
  EXIT.interrupted,
];

/** The most severe of several exit codes; `ok` if there are none. */
export const worstOf = (codes: readonly ExitCode[]): ExitCode =>
  BY_SEVERITY.find((code) => codes.includes(code)) ?? EXIT.ok;
