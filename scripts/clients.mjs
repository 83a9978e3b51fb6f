/**
 * `npm run test:clients`: lints openapi.json, generates clients with three generators, and compiles them under `strict`.
 * Fetches the tools by npx.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

/** Pinned here and not in package.json, because only this script needs them, and they depend on hundreds of packages. */
const TOOLS = [
  { tool: '@redocly/cli@2.77.0', args: (document) => ['lint', document, '--extends=minimal'] },
  { tool: 'openapi-typescript@7.13.0', args: (document, out) => [document, '-o', join(out, 'schema.ts')] },
  {
    tool: '@hey-api/openapi-ts@0.99.0',
    peers: ['typescript@6.0.3'],
    args: (document, out) => ['-i', document, '-o', out],
  },
  {
    tool: 'swagger-typescript-api@13.13.0',
    args: (document, out) => ['generate', '-p', document, '-o', out, '-n', 'api.ts'],
  },
];

await prepare();
const folder = mkdtempSync(join(tmpdir(), 'clients-'));
const run = (command, args) => spawnSync(command, args, { cwd: folder, stdio: 'inherit' }).status === 0;
const failed = [];
for (const { tool, peers = [], args } of TOOLS) {
  const out = join(folder, 'src', tool.replace(/^@/, '').split('@')[0].replace('/', '-'));
  mkdirSync(out, { recursive: true });
  const packages = [tool, ...peers].map((each) => `--package=${each}`);
  const command =
    { '@redocly/cli': 'redocly', '@hey-api/openapi-ts': 'openapi-ts' }[tool.slice(0, tool.lastIndexOf('@'))] ??
    tool.split('@')[0];
  console.log(`\n${tool}`);
  if (!run('npx', ['--yes', ...packages, '--', command, ...args(join(root, 'openapi.json'), out)])) failed.push(tool);
}
writeFileSync(
  join(folder, 'tsconfig.json'),
  JSON.stringify({
    compilerOptions: {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: 'es2022',
      module: 'preserve',
      moduleResolution: 'bundler',
      lib: ['es2023', 'dom', 'dom.iterable'],
      types: [],
    },
    include: ['src'],
  }),
);
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
console.log('\ntsc --strict');
if (!run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder])) failed.push('tsc');
rmSync(folder, { recursive: true });
console.log(failed.length === 0 ? 'Every client was generated and compiles.' : `Failed: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);
