import { project } from '../../jest.config.mjs';

/** `npm run test:failover`: a primary and its replica swap roles under load. */
export default {
  ...project,
  testRegex: '/test/failover/.*\\.spec\\.ts$',
  testPathIgnorePatterns: ['/node_modules/'],
  globalSetup: '<rootDir>/test/failover/global-setup.mjs',
  testTimeout: 180_000,
  maxWorkers: 1,
  reporters: ['default', '<rootDir>/test/support/summary-reporter.mjs'],
};
