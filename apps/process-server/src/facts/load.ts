import { X509Certificate } from 'node:crypto';
import { readFile, statfs } from 'node:fs/promises';
import type { LoadReport } from '@app/api-contract';
import type { CpuMeter } from './cpu.js';
import { memory } from './memory.js';

/** The load of the machine now. A figure that cannot be read is absent, which means unknown. */
export async function readLoad(installLocation: string, cpu: CpuMeter): Promise<LoadReport> {
  const cpuPercent = cpu.percent();
  const { totalBytes, availableBytes } = await memory();
  const disk = await statfs(installLocation).catch(() => null);
  return {
    ...(cpuPercent !== null && { cpuPercent }),
    totalMemoryBytes: totalBytes,
    availableMemoryBytes: Math.min(availableBytes, totalBytes),
    ...(disk && { totalCacheBytes: disk.bsize * disk.blocks, freeCacheBytes: disk.bsize * disk.bavail }),
  };
}

/** The expiry of the certificate in a file, RFC 3339; null if no file is configured or it cannot be read. */
export async function readCertificateExpiry(file: string | null): Promise<string | null> {
  if (file === null) return null;
  try {
    return new Date(new X509Certificate(await readFile(file)).validTo).toISOString();
  } catch {
    return null;
  }
}
