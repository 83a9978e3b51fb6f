import { statSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { usageError } from '../output/agent-error.js';
import type { Connection, MachineSettings } from '../state/agent-state.js';
import type { Enrolment } from '../transport/enrolment-file.js';
import type { CommandLine } from './parse.js';

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
const DEFAULT_PORT = 443;
const DEFAULT_DATA_PORT = 9443;
const ENVIRONMENTS = { vmware: 'VMware', nonvmware: 'NonVMware' } as const;

/** The options of a command as values. Every method throws AgentError (usage) that names an invalid option as it was written. */
export class OptionReader {
  constructor(private readonly line: CommandLine) {}

  has(name: string): boolean {
    return this.line.values.has(name);
  }

  text(name: string): string | null {
    return this.line.values.get(name) ?? null;
  }

  port(name: string): number | null {
    const text = this.text(name);
    if (text === null) return null;
    if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535)
      throw this.error(name, `must be a whole number from 1 to 65535, not "${text}".`);
    return Number(text);
  }

  /** The absolute path of an existing file. */
  file(name: string): string | null {
    return this.path(name, 'file');
  }

  folder(name: string): string | null {
    return this.path(name, 'folder');
  }

  /** The origin of the configuration server; the enrolment, then `current`, supply what the options leave out. */
  serverUrl(current: string | null, enrolment: Enrolment | null = null): string {
    const port = this.port('cs-port');
    const given = this.text('cs-address') ?? enrolment?.url ?? current;
    if (given === null)
      throw usageError('--cs-address', '--cs-address is missing: the name or address of the configuration server.');
    const isUrl = /^https?:\/\//i.test(given);
    const scheme = enrolment?.url.startsWith('http:') ? 'http' : 'https';
    const text = isUrl ? given : `${scheme}://${isIP(given) === 6 ? `[${given}]` : given}`;
    const url = URL.canParse(text) ? new URL(text) : null;
    if (!url || url.username || url.password || url.pathname !== '/' || url.search || url.hash)
      throw this.error('cs-address', `must be a name or an address, not "${given}".`);
    if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname))
      throw this.error(
        'cs-address',
        'must not be http: the passphrase would be readable on the way. Only loopback may be http.',
      );
    if (!isUrl && url.port) throw this.error('cs-address', 'must not have a port; it belongs in --cs-port.');
    const ownPort = url.port || (url.protocol === 'http:' ? '80' : String(DEFAULT_PORT));
    return `${url.protocol}//${url.hostname}:${port ?? ownPort}`;
  }

  connection(current: Connection | null, proxy: Connection['proxy'], enrolment: Enrolment | null): Connection {
    return {
      url: this.serverUrl(current?.url ?? null, enrolment),
      caFile: this.file('ca-file') ?? current?.caFile ?? null,
      // A new enrolment alone replaces the passphrase.
      passphraseFile: this.file('passphrase-file') ?? (enrolment ? null : (current?.passphraseFile ?? null)),
      enrolmentFile: this.file('vault-creds-file') ?? current?.enrolmentFile ?? null,
      certificateSha256: enrolment ? enrolment.certificateSha256 : (current?.certificateSha256 ?? null),
      proxy,
    };
  }

  machine(current: MachineSettings | null, defaultLocation: string): MachineSettings {
    return {
      name: this.text('name') ?? current?.name ?? null,
      ipAddress: this.address('ps-ip') ?? current?.ipAddress ?? null,
      dataPort: this.dataPort() ?? current?.dataPort ?? DEFAULT_DATA_PORT,
      environment: this.environment() ?? current?.environment ?? 'VMware',
      installLocation: this.folder('install-location') ?? current?.installLocation ?? defaultLocation,
      services: this.names('services') ?? current?.services ?? [],
      certificateFile: this.file('certificate-file') ?? current?.certificateFile ?? null,
      machineIdFile: this.file('machine-id-file') ?? current?.machineIdFile ?? null,
    };
  }

  /** A process server has no other mode; the original's option is accepted with this value only. */
  assertServerMode(): void {
    const mode = this.text('server-mode');
    if (mode !== null && mode.toUpperCase() !== 'PS')
      throw this.error('server-mode', `must be PS, not "${mode}": this program is the agent of a process server.`);
  }

  private dataPort(): number | null {
    const port = this.port('data-port');
    if (port === DEFAULT_PORT)
      throw this.error('data-port', 'must not be 443, which is the port of the control channel.');
    return port;
  }

  private environment(): MachineSettings['environment'] | null {
    const text = this.text('env-type');
    if (text === null) return null;
    const name = Object.entries(ENVIRONMENTS).find(([key]) => key === text.toLowerCase())?.[1];
    if (!name) throw this.error('env-type', `must be VMware or NonVMware, not "${text}".`);
    return name;
  }

  private address(name: string): string | null {
    const text = this.text(name);
    if (text !== null && isIP(text) === 0) throw this.error(name, `must be an IPv4 or IPv6 address, not "${text}".`);
    return text;
  }

  private names(name: string): string[] | null {
    const text = this.text(name);
    if (text === null) return null;
    const names = text.split(',').map((part) => part.trim());
    if (names.length > 64 || names.some((part) => !/^[\w@.:-]{1,128}$/.test(part) || part.startsWith('-')))
      throw this.error(name, 'must be at most 64 names of services, separated by commas.');
    return names;
  }

  private path(name: string, kind: 'file' | 'folder'): string | null {
    const text = this.text(name);
    if (text === null) return null;
    const found = statSync(text, { throwIfNoEntry: false });
    if (!found || (kind === 'file' ? !found.isFile() : !found.isDirectory()))
      throw this.error(name, `must name a ${kind} that exists, not "${text}".`);
    return resolve(text);
  }

  private error(name: string, problem: string) {
    const spelling = this.line.spellings.get(name) ?? `--${name}`;
    return usageError(spelling, `${spelling} ${problem}`);
  }
}
