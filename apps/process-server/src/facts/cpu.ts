import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { controlGroups } from './cgroup.js';

/** The cores that the control group may use; null without a limit. */
export async function cpuLimit(): Promise<number | null> {
  let least: number | null = null;
  for (const folder of await controlGroups()) {
    const [quota, period] = (await readFile(join(folder, 'cpu.max'), 'utf8').catch(() => '')).split(/\s+/).map(Number);
    if (quota && period) least = Math.min(least ?? Number.POSITIVE_INFINITY, quota / period);
  }
  return least;
}

interface CpuTimes {
  readonly busyMs: number;
  readonly totalMs: number;
}

/** Mean CPU use of the machine between two calls. */
export class CpuMeter {
  private before = readTimes();

  /** In percent with two decimals; null if no time has passed. */
  percent(): number | null {
    const now = readTimes();
    const totalMs = now.totalMs - this.before.totalMs;
    const busyMs = now.busyMs - this.before.busyMs;
    if (totalMs <= 0) return null;
    this.before = now;
    return Math.round(Math.min(100, Math.max(0, (100 * busyMs) / totalMs)) * 100) / 100;
  }
}

function readTimes(): CpuTimes {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of cpus()) {
    const busy = times.user + times.nice + times.sys + times.irq;
    busyMs += busy;
    totalMs += busy + times.idle;
  }
  return { busyMs, totalMs };
}
