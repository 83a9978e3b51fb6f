/** Replaces fast-check in specs: every property uses the seed of the run. */
import { jest } from '@jest/globals';
import fc from '../../node_modules/fast-check/lib/fast-check.js';

fc.configureGlobal({ seed: jest.getSeed() });
export default fc;
