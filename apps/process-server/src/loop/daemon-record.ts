import { join } from 'node:path';
import type { ExitCode } from '@app/cli';
import { isProcessRunning, processStartTime } from '@app/system';
import { readIfPresent, replaceQuickly } from '../state/durable-file.js';
import { assertStateFolder } from '../state/state-folder.js';
import type { Instruction } from './instructions.js';

const FILE = 'daemon.json';

/** What the configuration server, or the way to it, said last. */
export interface LastResponse {
  /** RFC 3339. */
  readonly at: string;
  /** `accepted`, a problem code, or the cause of a failed connection. */
  readonly code: string;
  readonly instruction: Instruction;
  readonly message: string;
  readonly advice: string | null;
  readonly exitCode: ExitCode;
}

/** Written by the daemon after each call, read by `status`. Instants are RFC 3339. */
export interface DaemonRecord {
  readonly pid: number;
  /** Distinguishes the process from another one with the same pid; null where the system does not report it. */
  readonly processStart: string | null;
  readonly startedAt: string;
  readonly generation: number | null;
  readonly lastAccepted: {
    readonly at: string;
    readonly leaseExpiresAt: string;
    readonly intervalSeconds: number;
  } | null;
  readonly lastResponse: LastResponse | null;
  /** Consecutive failures. */
  readonly failures: number;
  /** When the daemon sends next; a later time without a newer record means that it is stuck or cannot write. */
  readonly nextAttemptAt: string;
}

export async function writeRecord(folder: string, record: DaemonRecord): Promise<void> {
  await replaceQuickly(join(folder, FILE), `${JSON.stringify(record, null, 2)}\n`, await assertStateFolder(folder));
}

/** Null if there is none, or it is unreadable: it only repeats what the next call finds out. */
export async function readRecord(folder: string): Promise<DaemonRecord | null> {
  try {
    const text = await readIfPresent(join(folder, FILE));
    return text === null ? null : (JSON.parse(text) as DaemonRecord);
  } catch {
    return null;
  }
}

export const isDaemonRunning = ({ pid, processStart }: DaemonRecord): boolean =>
  isProcessRunning(pid) && (processStart === null || processStartTime(pid) === processStart);
