/** `npm start`: whatever is missing, then the server. */
import { prepare } from './prepare.mjs';

exitWhenNpmExits();
await prepare();
// launch.mjs starts the server when it is imported.
await import('./launch.mjs');

/** A signal to npm ends its shell without reaching this process, so the end of the shell is handled as SIGTERM. */
function exitWhenNpmExits() {
  if (!process.env.npm_lifecycle_event) return;
  const shell = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 500);
  watch.unref();
}
