import { readFile } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { controlGroups, readNumber } from './cgroup.js';

export interface Memory {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

/** Memory of the machine, or of the control group if its limit is lower. */
export async function memory(): Promise<Memory> {
  const machine = await machineMemory();
  let least = machine;
  for (const folder of [...(await controlGroups()), '/sys/fs/cgroup/memory']) {
    const group = await groupMemory(folder);
    if (group && group.totalBytes < machine.totalBytes && group.availableBytes < least.availableBytes)
      least = { totalBytes: Math.min(group.totalBytes, least.totalBytes), availableBytes: group.availableBytes };
  }
  return least;
}

async function machineMemory(): Promise<Memory> {
  const info = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const availableKb = /^MemAvailable:\s+(\d+) kB$/m.exec(info)?.[1];
  return { totalBytes: totalmem(), availableBytes: availableKb ? Number(availableKb) * 1024 : freemem() };
}

/** Pages of files can be freed: they count as available. Null without a limit. */
async function groupMemory(folder: string): Promise<Memory | null> {
  const limit =
    (await readNumber(join(folder, 'memory.max'))) ?? (await readNumber(join(folder, 'memory.limit_in_bytes')));
  const used =
    (await readNumber(join(folder, 'memory.current'))) ?? (await readNumber(join(folder, 'memory.usage_in_bytes')));
  if (limit === null || used === null) return null;
  const statistics = await readFile(join(folder, 'memory.stat'), 'utf8').catch(() => '');
  const inactiveFile = Number(/^(?:total_)?inactive_file (\d+)$/m.exec(statistics)?.[1] ?? 0);
  return { totalBytes: limit, availableBytes: Math.max(0, limit - Math.max(0, used - inactiveFile)) };
}
