import { checkLine, runChecks } from '../check/checks.js';
import type { Command } from './command.js';
import { preparedState } from './prepare-state.js';

/** Prints each check; the exit code is that of the first failed one. */
export const check: Command = async (context) => {
  const state = await preparedState(context, { creates: true });
  const { results, exitCode } = await runChecks(state, context.environment);
  await context.printer.result({ url: state.connection.url, exitCode, checks: results }, results.map(checkLine));
  return exitCode;
};
