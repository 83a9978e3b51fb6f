/** What a spec gets when it imports fast-check: every property draws from the seed of the run. */
import { jest } from '@jest/globals';
import fc from '../../node_modules/fast-check/lib/fast-check.js';

fc.configureGlobal({ seed: jest.getSeed() });
export default fc;
