/** Prepares a fresh clone for starting and testing. Plain Node, because it runs before the packages are installed. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withPrepareLock } from './prepare-lock.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const STAMP = join(root, 'dist', '.built');
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const BUILT_FROM = [
  'apps',
  'libs',
  'migrations',
  'tsconfig.json',
  'nest-cli.json',
  'package.json',
  'package-lock.json',
];

/** Checks Node, installs packages and builds. A failure prints one line and exits with 1. */
export async function prepare({ builds = true } = {}) {
  try {
    checkNodeVersion();
    await installPackages();
    if (builds) await build();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}

export function checkNodeVersion(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new Error(
    `Node ${version} is too old: the configuration server needs Node 20.19 or newer (https://nodejs.org).`,
  );
}

/** Installs the packages of package-lock.json, including development ones, unless exactly these are installed. */
export async function installPackages() {
  if (packagesAreInstalled()) return;
  await withPrepareLock(root, async () => {
    if (packagesAreInstalled()) return;
    const options = ['--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
    console.log('Installing packages (npm ci), about half a minute ...');
    await run([...npm(), 'ci', ...options]);
  });
}

/** Builds dist/ unless it is up to date with the sources. */
export async function build() {
  if (builtFrom() === sourcesHash()) return;
  await withPrepareLock(root, async () => {
    const hash = sourcesHash();
    if (builtFrom() === hash) return;
    console.log('Building the configuration server, about ten seconds ...');
    rmSync(STAMP, { force: true });
    await run([process.execPath, join(root, 'node_modules/@nestjs/cli/bin/nest.js'), 'build', 'configuration-server']);
    // The hash from before the build, so that a file saved during the build is rebuilt at the next start.
    writeFileSync(STAMP, hash);
  });
}

/** Compares contents, because file times mean nothing in a copied or fresh clone. */
function packagesAreInstalled() {
  const wanted = readPackages(join(root, 'package-lock.json'));
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json'));
  if (!wanted || !installed) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional, devOptional }]) => {
    const found = installed[path];
    if (path === '' || (!found && (optional || devOptional))) return true; // optional packages of other systems
    return found?.version === version && found.integrity === integrity;
  });
}

function readPackages(lockFile) {
  try {
    return JSON.parse(readFileSync(lockFile, 'utf8')).packages;
  } catch {
    return undefined; // missing, or truncated by an interrupted installation
  }
}

function builtFrom() {
  return existsSync(STAMP) ? readFileSync(STAMP, 'utf8') : undefined;
}

/** Hashes names and contents, so that added and deleted files count. Specs are not built. */
function sourcesHash() {
  const hash = createHash('sha256');
  for (const top of BUILT_FROM) {
    for (const file of filesUnder(top).sort()) {
      hash
        .update(`${file}\0`)
        .update(readFileSync(join(root, file)))
        .update('\0');
    }
  }
  return hash.digest('hex');
}

function filesUnder(path) {
  if (!existsSync(join(root, path))) return [];
  if (basename(path).includes('.')) return path.endsWith('.spec.ts') ? [] : [path];
  return readdirSync(join(root, path), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.spec.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
}

/** The npm that runs this script, if any: npm need not be in PATH. */
function npm() {
  const running = process.env.npm_execpath;
  return running && basename(running) === 'npm-cli.js' ? [process.execPath, running] : ['npm'];
}

function run([program, ...args]) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, stdio: 'inherit' });
    const command = [program, ...args].map((part) => basename(part)).join(' ');
    // Waits for the child after a signal: an aborted child would leave a half-written folder for the next start.
    const forwardSignal = (signal) => child.kill(signal);
    for (const signal of STOPPING) process.on(signal, forwardSignal);
    const ended = (outcome) => {
      for (const signal of STOPPING) process.off(signal, forwardSignal);
      outcome();
    };
    child.once('error', (error) => ended(() => reject(new Error(`${command} cannot be run: ${error.message}`))));
    child.once('exit', (code, signal) =>
      ended(() =>
        code === 0 ? resolve() : reject(new Error(`${command} failed (${signal ?? `exit code ${code}`}).`)),
      ),
    );
  });
}
