/** The import table of docs/architecture.md, enforced. A rule with an exception list is a rule to redesign. */
const onlyTo = (name, from, to) => ({
  name,
  severity: 'error',
  from: { path: from, pathNot: '[.]spec[.]ts$' },
  to: { pathNot: to },
});

/** The folders of the server from the lowest to the highest; each may import those before it. */
const SERVER_FOLDERS = [
  'site/',
  'problems/',
  'edge/',
  'access/',
  'heartbeats/',
  'registration/',
  'queries/',
  'removal/',
  'monitor/',
  'keys/',
  'releases/',
  'enrolments/',
  'openapi/',
  'operations/',
  'data-directory/',
  '(app[.]module|create-app)[.]ts$',
  'startup/',
  '(main|write-openapi)[.]ts$',
];
const inServer = (folders) => `^apps/configuration-server/src/(${folders.join('|')})`;

/** `edge` imports no feature, no feature imports `app.module`, and nothing runs back up. */
const serverFoldersInOrder = SERVER_FOLDERS.slice(0, -1).map((folder, index) => ({
  name: `server-${folder.replace(/\W+/g, '-')}imports-lower-folders-only`,
  severity: 'error',
  from: { path: inServer([folder]) },
  to: { path: inServer(SERVER_FOLDERS.slice(index + 1)) },
}));

module.exports = {
  forbidden: [
    ...serverFoldersInOrder,
    {
      name: 'every-server-file-has-a-place-in-the-order',
      severity: 'error',
      from: {},
      to: { path: '^apps/configuration-server/src/', pathNot: inServer(SERVER_FOLDERS) },
    },
    onlyTo('fleet-is-pure', '^libs/fleet/', ['^libs/fleet/']),
    onlyTo('fleet-mysql-knows-tables-only', '^libs/fleet-mysql/', [
      '^libs/(fleet|fleet-mysql)/',
      '^migrations/',
      '^node_modules/(typeorm|mysql2)/',
    ]),
    onlyTo('wire-is-shapes-only', '^libs/api-contract/', [
      '^libs/api-contract/',
      '^node_modules/(class-validator|class-transformer|ipaddr[.]js)/',
    ]),
    onlyTo('the-client-speaks-the-contract', '^libs/api-client/', [
      '^libs/(api-client|api-contract)/',
      '^node_modules/undici/',
      '^https?$',
    ]),
    onlyTo('cli-is-below-the-programs', '^libs/cli/', ['^libs/(cli|api-client|api-contract)/', '^(events|stream)$']),
    {
      name: 'programs-of-people-start-without-validators',
      comment: 'Types of the contract are erased; its values would load class-validator at every start.',
      severity: 'error',
      from: { path: '^(apps/(csctl|process-server)|libs/(api-client|cli))/', pathNot: '[.]spec[.]ts$' },
      to: { path: '^libs/api-contract/', dependencyTypesNot: ['type-only'] },
    },
    onlyTo('system-needs-node-only', '^libs/system/', [
      '^libs/system/',
      '^(child_process|crypto|fs|fs/promises|path)$',
    ]),
    onlyTo('platform-is-below-the-apps', '^libs/platform/', [
      '^libs/(fleet|platform|system)/',
      '^node_modules/',
      '^node:',
      '^(child_process|crypto|fs|fs/promises|net|os|path|perf_hooks|tls|timers/promises|url|util)$',
    ]),
    onlyTo('dev-database-is-below-the-launcher', '^libs/dev-database/', [
      '^libs/(platform|dev-database)/',
      '^node_modules/(mysql2|pino)/',
      '^(child_process|crypto|fs|fs/promises|events|os|path|timers/promises)$',
    ]),
    {
      name: 'only-scripts-and-tests-use-dev-database',
      severity: 'error',
      from: { pathNot: '^(libs/dev-database|test)/' },
      to: { path: '^libs/dev-database/' },
    },
    onlyTo('migrations-know-rules-only', '^migrations/', ['^(migrations|libs/fleet)/', '^node_modules/typeorm/']),
    onlyTo('clients-speak-http-only', '^apps/simulator/', [
      '^apps/simulator/',
      '^libs/(api-client|api-contract|platform)/',
      '^(crypto|fs|util)$',
    ]),
    onlyTo('csctl-speaks-http-only', '^apps/csctl/', [
      '^apps/csctl/',
      '^libs/(api-client|api-contract|cli)/',
      '^(fs|fs/promises|net|os|path|readline|readline/promises|timers/promises|tty|util)$',
    ]),
    onlyTo('the-agent-speaks-http-only', '^apps/process-server/', [
      '^apps/process-server/',
      '^libs/(api-client|api-contract|cli|system)/',
      '^node_modules/undici/',
      '^(child_process|crypto|dns/promises|fs|fs/promises|net|os|path|timers/promises|tls|url|util)$',
    ]),
    {
      name: 'apps-never-meet',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'libraries-are-entered-by-their-index',
      severity: 'error',
      from: { path: '^(apps|libs/([^/]+))/' },
      to: { path: '^libs/([^/]+)/src/(?!index[.]ts$)', pathNot: '^libs/$2/' },
    },
    {
      name: 'heartbeat-fast-path-is-entered-by-its-index',
      severity: 'error',
      from: {
        pathNot: '^(apps/configuration-server/src/heartbeats/fast-path/|test/http/heartbeat-fast-path[.]spec[.]ts$)',
      },
      to: { path: '^apps/configuration-server/src/heartbeats/fast-path/(?!index[.]ts$)' },
    },
    { name: 'specs-are-not-imported', severity: 'error', from: {}, to: { path: '[.]spec[.]ts$' } },
    { name: 'only-tests-use-test', severity: 'error', from: { pathNot: '^test/' }, to: { path: '^test/' } },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'everything-resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
