import { project } from '../../jest.config.mjs';

/** `npm run test:csctl`: the operator's command line as a spawned program. */
export default {
  ...project,
  testRegex: '/test/csctl/.*\\.spec\\.ts$',
  testPathIgnorePatterns: ['/node_modules/'],
  globalSetup: '<rootDir>/test/support/data-directory-setup.mjs',
  testTimeout: 240_000,
  maxWorkers: 1,
  reporters: ['default', '<rootDir>/test/support/summary-reporter.mjs'],
};
