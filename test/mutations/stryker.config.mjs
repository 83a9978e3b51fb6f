/**
 * Mutates the rules of libs/fleet and runs their unit specs: no build, no database.
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  mutate: [
    'libs/fleet/src/**/*.ts',
    '!libs/fleet/src/**/*.spec.ts',
    '!libs/fleet/src/testing/**',
    '!libs/fleet/src/index.ts',
  ],
  testRunner: 'jest',
  testRunnerNodeArgs: ['--experimental-vm-modules', '--no-warnings'],
  jest: { configFile: 'test/mutations/jest.config.mjs' },
  plugins: ['@stryker-mutator/jest-runner'],
  coverageAnalysis: 'perTest',
  incremental: false,
  concurrency: 1,
  timeoutMS: 60_000, // a slow run on a busy machine is not a killed mutant; most endless loops end at Stryker's hit limit
  disableTypeChecks: false, // SWC checks no types
  // The copy that is mutated holds only what the unit specs of libs/fleet read.
  ignorePatterns: ['**', '!libs/fleet/**', '!test/mutations/*.mjs', '!jest.config.mjs', '!package.json'],
  reporters: ['progress', 'clear-text', 'json', 'html'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  jsonReporter: { fileName: 'reports/mutations.json' },
  htmlReporter: { fileName: 'reports/mutations.html' },
  thresholds: { high: 80, low: 60, break: null },
};
