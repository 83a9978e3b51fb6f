/** `npm start`: whatever is missing, then the server. */
import { prepare } from './prepare.mjs';

exitWhenNpmExits();
await prepare();
// launch.mjs starts the server when it is imported.
await import('./launch.mjs');

/** npm runs us through a shell, which a signal to npm ends without passing it on: when the shell is gone, we stop as if asked ourselves. */
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
