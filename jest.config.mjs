import { availableParallelism } from 'node:os';

/** What all projects have in common. Unit specs lie next to their code; what crosses a boundary (database, HTTP, a spawned program) lies in test/. */
export const project = {
  testEnvironment: 'node',
  setupFiles: ['reflect-metadata'],
  rootDir: import.meta.dirname,
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test'],
  testRegex: '\\.spec\\.ts$',
  testPathIgnorePatterns: [
    '/node_modules/',
    '<rootDir>/test/galera/',
    '<rootDir>/test/metrics/',
    '<rootDir>/test/proxies/',
    '<rootDir>/test/agent/',
    '<rootDir>/test/failover/',
  ],
  extensionsToTreatAsEsm: ['.ts'],
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  moduleNameMapper: {
    '^fast-check$': '<rootDir>/test/support/seeded-fast-check.mjs',
    '^@app/([a-z-]+)$': '<rootDir>/libs/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          target: 'es2022',
          keepClassNames: true,
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
};

/** Packages are loaded once for all specs of a worker; the reason is in runtime.cjs. */
const mainContext = {
  runtime: '<rootDir>/test/support/main-context/runtime.cjs',
  testEnvironment: '<rootDir>/test/support/main-context/environment.mjs',
  injectGlobals: false,
  transform: {
    ...project.transform,
    '/node_modules/.+\\.[cm]?js$': '<rootDir>/test/support/main-context/shared-package.mjs',
  },
  transformIgnorePatterns: [],
};

/** Needs neither build nor database: among them the statistics of the benchmark. */
const unit = {
  ...project,
  ...mainContext,
  displayName: 'unit',
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test/bench'],
  globalSetup: undefined,
  globalTeardown: undefined,
};

const inFolders = (displayName, ...folders) => ({
  ...project,
  ...mainContext,
  displayName,
  roots: folders.map((folder) => `<rootDir>/test/${folder}`),
});

/** The stores once more, with one statement a round trip, as on a node of a Galera cluster. */
const asOnClusterNode = {
  ...inFolders('as on a cluster node', 'database'),
  setupFiles: [...project.setupFiles, '<rootDir>/test/support/simulate-cluster-node.mjs'],
  testRegex: '/(database|registry-store|lease-store|removal-store|key-ring-store|consistency[a-z-]*)\\.spec\\.ts$',
};

/** scripts/test.mjs says which projects a command runs. */
export default {
  testTimeout: 120_000, // for hanging tests, also on a busy machine
  maxWorkers: Math.max(2, availableParallelism() + 1), // tests of whole programs mostly wait
  testSequencer: '<rootDir>/test/support/sequencer.mjs',
  workerGracefulExitTimeout: 5_000, // on a busy machine, freeing the memory of a worker takes longer than the default
  reporters: ['default', '<rootDir>/test/support/summary-reporter.mjs'],
  projects: [
    unit,
    inFolders('site', 'docs', 'database', 'http', 'program'),
    asOnClusterNode,
    { ...inFolders('model', 'model'), testRegex: '/registry-model\\.spec\\.ts$' },
    {
      ...inFolders('slow', 'faults', 'fuzz', 'model', 'slow-clients'),
      globalSetup: '<rootDir>/test/support/data-directory-setup.mjs',
      testPathIgnorePatterns: ['/registry-model\\.spec\\.ts$'],
    },
  ],
};
