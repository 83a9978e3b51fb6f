/** `npm start`: whatever is missing, then the server, in this process. */
import { prepare } from './prepare.mjs';

exitWhenNpmExits();
await prepare();
// main.js starts the server when it is imported.
await import('../dist/apps/configuration-server/src/main.js');

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
