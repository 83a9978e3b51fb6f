/** `npm start`: whatever is missing, then the server, in this process. */
import { prepare } from './prepare.mjs';

await prepare();
// main.js starts the server when it is imported.
await import('../dist/apps/configuration-server/src/main.js');
