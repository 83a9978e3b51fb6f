/** `npm run bench`: prepares the clone if necessary, then runs the benchmark. Arguments select sections. */
import { prepare } from './prepare.mjs';

await prepare();
await import('../test/bench/run.mjs');
