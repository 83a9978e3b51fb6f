import { Daemon } from '../loop/daemon.js';
import { ServiceManager } from '../loop/service-manager.js';
import { lockDaemon } from '../state/folder-lock.js';
import type { Command } from './command.js';
import { installedState, notInstalled } from './prepare-state.js';

/** The daemon. A signal ends it and never unregisters: the lease goes on, or runs out. */
export const run: Command = async (context) => {
  const { file, printer, environment, signal } = context;
  const lock = await lockDaemon(file.folder);
  try {
    if (!(await installedState(context))) throw notInstalled();
    const log = (line: string): void => printer.progress(line);
    return await new Daemon(file, environment, new ServiceManager(environment), log).run(signal);
  } finally {
    await lock.release();
  }
};
