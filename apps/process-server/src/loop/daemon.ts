import { randomInt, randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ConfigurationServerClient } from '@app/api-client';
import { EXIT_CODES, type ExitCode } from '@app/cli';
import { processStartTime } from '@app/system';
import { CpuMeter } from '../facts/cpu.js';
import { readCertificateExpiry, readLoad } from '../facts/load.js';
import { assertSameMachine } from '../facts/machine.js';
import { readServices } from '../facts/services.js';
import { register } from '../registration/register.js';
import type { AgentState, Registration } from '../state/agent-state.js';
import { changeState, withLockedState } from '../state/change-state.js';
import type { StateFile } from '../state/state-file.js';
import { openClient } from '../transport/open-client.js';
import { AGENT_VERSION } from '../version.js';
import { readRecord, writeRecord, type DaemonRecord } from './daemon-record.js';
import type { ServiceManager } from './service-manager.js';
import { afterAcceptance, afterFailure, REREGISTER_PAUSE_MS, type Consequence } from './turn.js';

const RANDOM_RANGE = 2 ** 32;
const random = (): number => randomInt(RANDOM_RANGE) / RANDOM_RANGE;

/** Sends heartbeats until it is stopped, by a signal or by the configuration server. */
export class Daemon {
  private readonly instanceId = randomUUID();
  private readonly startedAt = new Date().toISOString();
  private readonly processStart = processStartTime(process.pid);
  private readonly cpu = new CpuMeter();
  private client: { readonly connection: string; readonly client: ConfigurationServerClient } | null = null;
  private failures = 0;
  private intervalSeconds: number | null = null;
  private mustRegister = false;
  private mayRegisterAtMs = 0;
  private lastAccepted: DaemonRecord['lastAccepted'] = null;
  private lastLine = '';

  constructor(
    private readonly file: StateFile,
    private readonly environment: NodeJS.ProcessEnv,
    private readonly manager: ServiceManager,
    private readonly log: (line: string) => void,
  ) {}

  /** @throws AgentError if nothing is installed any more, or the state cannot be read. */
  async run(signal: AbortSignal): Promise<ExitCode> {
    this.lastAccepted = (await readRecord(this.file.folder))?.lastAccepted ?? null;
    while (!signal.aborted) {
      const { state, repair } = await this.file.read();
      if (repair) this.log(repair);
      if (!state) return EXIT_CODES.notFound;
      await assertSameMachine(state);
      if (state.ending) {
        this.log(`${state.ending.message} Nothing more is sent (${state.ending.code}).`);
        return EXIT_CODES.ok;
      }
      this.intervalSeconds ??= state.registration?.intervalSeconds ?? null;
      const consequence = await this.call(state);
      if (signal.aborted) break;
      await this.take(state, consequence);
      if (!consequence.ending) await this.sleep(consequence.pauseMs, signal);
    }
    return EXIT_CODES.ok;
  }

  /** One call, and what follows from it. */
  private async call(state: AgentState): Promise<Consequence> {
    const mustRegister = this.mustRegister || !state.registration;
    try {
      const client = await this.clientFor(state);
      if (state.unregisterWish && state.registration) return await this.unregister(client, state, state.registration);
      if (mustRegister) return await this.register();
      return await this.heartbeat(client, state);
    } catch (error) {
      const { intervalSeconds } = this;
      return afterFailure(error, {
        state,
        failures: this.failures + 1,
        intervalSeconds,
        random: random(),
        now: new Date(),
      });
    }
  }

  private async heartbeat(
    client: ConfigurationServerClient,
    { hostId, machineId, machine, registration }: AgentState,
  ): Promise<Consequence> {
    const { generation, credential } = registration!;
    const services = await readServices(machine.services);
    const certificateExpiresAt = await readCertificateExpiry(machine.certificateFile);
    const response = await client.heartbeat(hostId, credential, {
      generation,
      machineId,
      instanceId: this.instanceId,
      agentVersion: AGENT_VERSION,
      sentAt: new Date().toISOString(),
      load: await readLoad(machine.installLocation, this.cpu),
      ...(services && { services }),
      ...(machine.certificateFile !== null && { certificateExpiresAt }),
    });
    const now = new Date();
    const { heartbeatIntervalSeconds, leaseExpiresAt, instruction, versionStatus } = response;
    this.intervalSeconds = heartbeatIntervalSeconds;
    this.lastAccepted = { at: now.toISOString(), leaseExpiresAt, intervalSeconds: heartbeatIntervalSeconds };
    return afterAcceptance(
      instruction,
      `Connected; version ${versionStatus}.`,
      { now, random: random() },
      heartbeatIntervalSeconds,
    );
  }

  /** At most once a minute. The response to a registration asks for a heartbeat at once. */
  private async register(): Promise<Consequence> {
    const waitMs = this.mayRegisterAtMs - performance.now();
    const now = new Date();
    if (waitMs > 0) {
      const waiting = afterAcceptance('none', 'Registers again within a minute.', { now, random: 0 }, 1);
      const response = {
        ...waiting.response,
        code: 'reregister',
        instruction: 'reregister' as const,
        exitCode: EXIT_CODES.refused,
      };
      return { ...waiting, response, pauseMs: waitMs, mustRegister: true };
    }
    this.mayRegisterAtMs = performance.now() + REREGISTER_PAUSE_MS;
    const { response } = await withLockedState(this.file, async () => {
      const { state } = await this.file.read();
      return register(this.file, state!, this.environment);
    });
    this.intervalSeconds = response.heartbeatIntervalSeconds;
    const accepted = afterAcceptance('none', `Registered as generation ${response.generation}.`, { now, random: 0 }, 1);
    return { ...accepted, pauseMs: 0 };
  }

  /** The wish of the operator, kept because the configuration server could not be reached. */
  private async unregister(
    client: ConfigurationServerClient,
    state: AgentState,
    { credential }: Registration,
  ): Promise<Consequence> {
    const { removeBy } = await client.unregister(state.hostId, credential, state.unregisterWish?.forceReason ?? null);
    const now = new Date();
    const message = 'This process server was unregistered.';
    const accepted = afterAcceptance('none', message, { now, random: 0 }, 1);
    return {
      ...accepted,
      ending: { kind: 'decommissioned', code: 'unregistered', message, at: now.toISOString(), removeBy },
    };
  }

  private async take(before: AgentState, { response, pauseMs, mustRegister, ending }: Consequence): Promise<void> {
    const isAccepted = response.code === 'accepted';
    this.failures = isAccepted ? 0 : this.failures + 1;
    this.mustRegister = mustRegister;
    if (ending || (isAccepted && before.isRegistering)) {
      await changeState(this.file, (state) => {
        // A command has registered again meanwhile: what ended was the registration before it.
        if (!state || state.registration?.generation !== before.registration?.generation) return state ?? before;
        return ending ? { ...state, ending, unregisterWish: null } : { ...state, isRegistering: false };
      });
    }
    const line = `${response.message}${response.advice ? ` ${response.advice}` : ''} (${response.code})`;
    if (line !== this.lastLine) this.log(line);
    this.lastLine = line;
    await this.record(before, response, pauseMs);
    await this.manager.report(line);
  }

  /** Without a record `status` reports that the daemon cannot write, so this is no reason to stop sending. */
  private async record(state: AgentState, lastResponse: DaemonRecord['lastResponse'], pauseMs: number): Promise<void> {
    await writeRecord(this.file.folder, {
      pid: process.pid,
      processStart: this.processStart,
      startedAt: this.startedAt,
      generation: state.registration?.generation ?? null,
      lastAccepted: this.lastAccepted,
      lastResponse,
      failures: this.failures,
      nextAttemptAt: new Date(Date.now() + pauseMs).toISOString(),
    }).catch((error: unknown) => this.log(`The record for "status" cannot be written: ${String(error)}`));
  }

  /** Ends early when a command has changed the state. */
  private async sleep(ms: number, signal: AbortSignal): Promise<void> {
    const untilMs = performance.now() + ms;
    const before = await this.stateVersion();
    for (let restMs = ms; restMs > 0 && !signal.aborted; restMs = untilMs - performance.now()) {
      await pause(Math.min(restMs, this.manager.sliceMs), undefined, { signal }).catch(() => undefined);
      await this.manager.loopTurned();
      if ((await this.stateVersion()) !== before) return;
    }
  }

  private stateVersion(): Promise<string> {
    return stat(join(this.file.folder, 'state.json')).then(
      ({ mtimeMs, ino }) => `${ino} ${mtimeMs}`,
      () => '',
    );
  }

  /** One client as long as the connection is the same; its files are read again for a new one. */
  private async clientFor({ connection }: AgentState): Promise<ConfigurationServerClient> {
    const key = JSON.stringify(connection);
    if (this.failures === 0 && this.client?.connection === key) return this.client.client;
    await this.client?.client.close().catch(() => undefined);
    this.client = { connection: key, client: await openClient(connection) };
    return this.client.client;
  }
}
