import { project } from '../../jest.config.mjs';

/** `npm run test:proxies`: real proxies in front of the server. */
export default {
  ...project,
  testRegex: '/test/proxies/.*\\.spec\\.ts$',
  testPathIgnorePatterns: ['/node_modules/'],
  globalSetup: '<rootDir>/test/proxies/global-setup.mjs',
  testTimeout: 60_000,
  maxWorkers: 1,
  reporters: ['default', '<rootDir>/test/support/summary-reporter.mjs'],
};
