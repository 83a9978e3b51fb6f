/** `npm run demo`: prepares the clone if necessary, then runs a simulated fleet against a running server, in this process. */
import { prepare } from './prepare.mjs';

await prepare();
// The import of main.js runs it with the arguments of this process.
await import('../dist/apps/simulator/src/main.js');
