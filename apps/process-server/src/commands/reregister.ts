import { EXIT_CODES } from '@app/cli';
import { withLockedState } from '../state/change-state.js';
import type { Command } from './command.js';
import { checkAndRegister, printRegistered } from './install.js';

/** Registers again with changed options; the host id stays, the generation rises. A running daemon goes on with it. */
export const reregister: Command = async (context) => {
  const registered = await withLockedState(context.file, () => checkAndRegister(context, { creates: false }));
  await printRegistered(context, registered);
  return EXIT_CODES.ok;
};
