import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'selfsigned';
import { controlGroups } from './cgroup.js';
import { CpuMeter } from './cpu.js';
import { readCertificateExpiry, readLoad } from './load.js';
import { assertSameMachine, readMachineId } from './machine.js';
import { readServices } from './services.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-facts-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('readLoad', () => {
  it('reports the disk of the install location as df does, and memory as /proc does', async () => {
    const load = await readLoad(folder, new CpuMeter());
    const [size, free] = execFileSync('df', ['-B1', '--output=size,avail', folder], { encoding: 'utf8' })
      .trim()
      .split('\n')[1]!
      .trim()
      .split(/\s+/)
      .map(Number) as [number, number];
    expect(load.totalCacheBytes).toBe(size);
    expect(Math.abs(load.freeCacheBytes! - free) / size).toBeLessThan(0.05);
    const kilobytes = Number(/^MemTotal:\s+(\d+)/m.exec(await readFile('/proc/meminfo', 'utf8'))![1]);
    expect(totalmem()).toBe(kilobytes * 1024);
    expect(load.totalMemoryBytes).toBeLessThanOrEqual(kilobytes * 1024);
    expect(load.availableMemoryBytes).toBeLessThanOrEqual(load.totalMemoryBytes!);
    expect(load.availableMemoryBytes).toBeGreaterThan(0);
  });

  it('leaves out what it cannot read', async () => {
    expect(await readLoad(join(folder, 'nowhere'), new CpuMeter())).not.toHaveProperty('totalCacheBytes');
  });
});

it('the CPU meter reports a percentage after time has passed', () => {
  const meter = new CpuMeter();
  const endMs = performance.now() + 100;
  while (performance.now() < endMs);
  const percent = meter.percent();
  expect(percent).toBeGreaterThan(0);
  expect(percent).toBeLessThanOrEqual(100);
});

it('the control groups of the process lead to the root, or there are none', async () => {
  const groups = await controlGroups();
  if (groups.length > 0) expect(groups.at(-1)).toBe('/sys/fs/cgroup/');
});

describe('the machine id', () => {
  it('is a digest of the file, and differs between machines', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    await writeFile(one, '3d1219c7c4c5404aaa1f6d2a48adfda4\n');
    await writeFile(two, '3d1219c7c4c5404aaa1f6d2a48adfda5\n');
    const id = await readMachineId(one);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(id).not.toContain('3d1219c7');
    expect(await readMachineId(two)).not.toBe(id);
    const state = { machineId: id, machine: { machineIdFile: one } } as Parameters<typeof assertSameMachine>[0];
    await assertSameMachine(state);
    await expect(assertSameMachine({ ...state, machineId: await readMachineId(two) })).rejects.toMatchObject({
      exitCode: 78,
      code: 'other_machine',
    });
  });

  it('is never made up', async () => {
    await writeFile(join(folder, 'empty'), '\n');
    await expect(readMachineId(join(folder, 'empty'))).rejects.toMatchObject({ exitCode: 78, code: 'machine_id' });
  });
});

describe('readServices', () => {
  it('reports nothing if none are configured', async () => {
    expect(await readServices([])).toBeNull();
  });

  it('never reports a service as running that systemd does not know', async () => {
    const services = await readServices(['no-such-service-1', 'no-such-service-2']);
    expect(services?.map(({ name }) => name)).toEqual(['no-such-service-1', 'no-such-service-2']);
    for (const { state } of services!) expect(['Unknown', 'inactive']).toContain(state);
  });
});

it('reads the expiry of a certificate, and null from anything else', async () => {
  const file = join(folder, 'certificate.pem');
  const notAfterDate = new Date('2030-01-02T03:04:05Z');
  await writeFile(file, (await generate([{ name: 'commonName', value: 'ps' }], { notAfterDate })).cert);
  expect(await readCertificateExpiry(file)).toBe('2030-01-02T03:04:05.000Z');
  await writeFile(file, 'nonsense');
  expect(await readCertificateExpiry(file)).toBeNull();
  expect(await readCertificateExpiry(null)).toBeNull();
});
