/** `npm run bench`: whatever is missing, then the benchmark. Arguments narrow it to some sections. */
import { prepare } from './prepare.mjs';

await prepare();
await import('../test/bench/run.mjs');
