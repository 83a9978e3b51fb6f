import { project } from '../../jest.config.mjs';

/** `npm run test:galera`: tests that need a cluster, and the concurrent calls of the model with replicas on different nodes. */
export default {
  ...project,
  testRegex: '/test/(galera/.*|model/concurrent-calls)\\.spec\\.ts$',
  testPathIgnorePatterns: ['/node_modules/'],
  globalSetup: '<rootDir>/test/galera/global-setup.mjs',
  testTimeout: 180_000,
  maxWorkers: 1,
  reporters: ['default', '<rootDir>/test/support/summary-reporter.mjs'],
};
