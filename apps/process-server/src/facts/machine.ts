import { createHmac } from 'node:crypto';
import { execFile } from 'node:child_process';
import type { StatsFs } from 'node:fs';
import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, hostname, networkInterfaces, platform, release } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { errorCode } from '@app/system';
import type { RegisterRequest } from '@app/api-contract';
import { configurationError } from '../output/agent-error.js';
import type { AgentState, MachineSettings } from '../state/agent-state.js';
import { AGENT_VERSION } from '../version.js';
import { memory } from './memory.js';
import { cpuLimit } from './cpu.js';

const ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id'];

/**
 * Identity of this machine. A digest is sent, because systemd asks programs to keep the machine id itself confidential.
 * @throws AgentError (configuration) if the machine has none.
 */
export async function readMachineId(file: string | null): Promise<string> {
  for (const path of file === null ? ID_FILES : [file]) {
    const text = (await readFile(path, 'utf8').catch(() => '')).trim();
    if (text) return digest(text);
  }
  const windowsId = file === null && process.platform === 'win32' ? await windowsMachineId() : null;
  if (windowsId) return digest(windowsId);
  throw configurationError(
    'machine_id',
    `This machine has no identity: ${file ?? ID_FILES.join(' and ')} cannot be read or is empty.`,
    'Run systemd-machine-id-setup, or name another file with --machine-id-file.',
  );
}

const digest = (id: string): string => createHmac('sha256', 'process-server').update(id).digest('hex').slice(0, 32);

async function windowsMachineId(): Promise<string | null> {
  const key = 'HKLM\\SOFTWARE\\Microsoft\\Cryptography';
  const { stdout } = await promisify(execFile)('reg', ['query', key, '/v', 'MachineGuid']);
  return /MachineGuid\s+REG_SZ\s+(\S+)/.exec(stdout)?.[1] ?? null;
}

/** The facts of a registration, read anew for each. @throws AgentError (configuration) if an address is needed and there is none. */
export async function readFacts({
  machine,
  machineId,
  registration,
  connection,
}: AgentState): Promise<RegisterRequest> {
  const { bsize, blocks } = await statfsOfExisting(machine.installLocation);
  const system = await operatingSystem();
  return {
    friendlyName: machine.name ?? hostname(),
    ipAddress: machine.ipAddress ?? firstAddress(),
    dataPort: machine.dataPort,
    osType: system.type,
    osVersion: system.version,
    agentVersion: AGENT_VERSION,
    machineId,
    environment: machine.environment,
    cpuCores: Math.max(1, Math.ceil((await cpuLimit()) ?? availableParallelism())),
    memoryBytes: (await memory()).totalBytes,
    cacheDiskBytes: bsize * blocks,
    sentAt: new Date().toISOString(),
    previousCredential: registration?.credential ?? null,
    proxy: proxyFacts(connection.proxy),
  };
}

/** The default location does not exist before the installation; its disk does. */
async function statfsOfExisting(folder: string): Promise<StatsFs> {
  return statfs(folder).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT' || dirname(folder) === folder) throw error;
    return statfsOfExisting(dirname(folder));
  });
}

/** The password of the proxy stays on this machine. */
const proxyFacts = (proxy: AgentState['connection']['proxy']): NonNullable<RegisterRequest['proxy']> =>
  proxy
    ? { used: true, address: proxy.address, port: proxy.port, authenticated: proxy.login !== null }
    : { used: false };

function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const external = addresses.filter(({ internal }) => !internal);
  const found = external.find(({ family }) => family === 'IPv4') ?? external[0];
  if (found) return found.address;
  throw configurationError('no_address', 'This machine has no address but loopback.', 'Name its address with --ps-ip.');
}

async function operatingSystem(): Promise<{ readonly type: string; readonly version: string }> {
  const types: Partial<Record<NodeJS.Platform, string>> = { linux: 'Linux', win32: 'Windows' };
  const release_ = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const name = /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(release_)?.[1];
  return { type: types[platform()] ?? platform(), version: (name ?? release()).slice(0, 128) };
}

/** @throws AgentError (configuration) if the state was made on another machine. */
export async function assertSameMachine({
  machineId,
  machine,
}: Pick<AgentState, 'machineId' | 'machine'>): Promise<void> {
  if ((await readMachineId((machine as MachineSettings).machineIdFile)) === machineId) return;
  throw configurationError(
    'other_machine',
    'This state folder was made on another machine: it was copied, or the machine was cloned. Nothing was sent.',
    'If this machine is a copy, run "process-server reset --force" and "process-server install" here. If it replaces the other one, do the same, and purge the entry of the other one.',
  );
}
