import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ServiceReport } from '@app/api-contract';

/** States of systemd in the words of the API; every other state means not running. */
const STATES: Readonly<Record<string, string>> = { active: 'running', reloading: 'running' };
const UNKNOWN = 'Unknown';
const TIMEOUT_MS = 5_000;

/** The state of each service by `systemctl`, or Unknown where there is none. Null if no services are configured. */
export async function readServices(names: readonly string[]): Promise<ServiceReport[] | null> {
  if (names.length === 0) return null;
  // systemctl exits with an error if a service is not active, and prints all states nevertheless.
  const options = { timeout: TIMEOUT_MS };
  const output = await promisify(execFile)('systemctl', ['is-active', '--', ...names], options).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string }) => error.stdout ?? '',
  );
  const states = output.trim().split('\n');
  const isComplete = states.length === names.length && states.every(Boolean);
  return names.map((name, index) => {
    const state = isComplete ? states[index]! : UNKNOWN;
    return { name, state: STATES[state] ?? (state === 'unknown' ? UNKNOWN : state).slice(0, 32) };
  });
}
