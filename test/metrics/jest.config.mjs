import { project } from '../../jest.config.mjs';

/** `npm run test:metrics`. */
export default {
  ...project,
  testRegex: '/test/metrics/.*\\.spec\\.ts$',
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 120_000,
  reporters: ['default', '<rootDir>/test/support/summary-reporter.mjs'],
};
