/** `npm run demo`: whatever is missing, then a simulated fleet against a running server, in this process. */
import { prepare } from './prepare.mjs';

await prepare();
// main.js reads the arguments and runs when it is imported.
await import('../dist/apps/simulator/src/main.js');
