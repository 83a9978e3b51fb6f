import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AgentState } from './agent-state.js';
import { decodeState, encodeState, StateFile } from './state-file.js';
import { stateFolder } from './state-folder.js';

const aState = (hostId: string): AgentState => ({
  hostId,
  machineId: 'machine',
  connection: {
    url: 'https://cs:443',
    caFile: null,
    passphraseFile: '/p',
    enrolmentFile: null,
    certificateSha256: null,
    proxy: null,
  },
  machine: {
    name: null,
    ipAddress: null,
    dataPort: 9443,
    environment: 'VMware',
    installLocation: '/',
    services: [],
    certificateFile: null,
    machineIdFile: null,
  },
  registration: null,
  isRegistering: false,
  unregisterWish: null,
  ending: null,
});

let folder: string;
let file: StateFile;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'agent-state-')), 'state');
  file = new StateFile(folder);
});
afterEach(() => rm(join(folder, '..'), { recursive: true, force: true }));

const corrupt = (name: string): Promise<void> => writeFile(join(folder, name), 'deadbeef\n{"hostId":"x"}\n');

describe('StateFile', () => {
  it('reads nothing where nothing was installed', async () => {
    expect(await file.read()).toEqual({ state: null, repair: null });
  });

  it('reads what was written last, from a file that only its owner can read', async () => {
    await file.write(aState('one'));
    await file.write(aState('two'));
    expect(await file.read()).toEqual({ state: aState('two'), repair: null });
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  });

  it('ignores drafts of a killed process', async () => {
    await file.write(aState('one'));
    await writeFile(join(folder, 'state.json.draft'), 'half');
    await file.write(aState('two'));
    expect((await file.read()).state?.hostId).toBe('two');
  });

  it('sets a corrupt file aside, names it, and registers again with the previous copy', async () => {
    await file.write(aState('one'));
    await file.write(aState('two'));
    await corrupt('state.json');
    const { state, repair } = await file.read();
    expect(state).toEqual({ ...aState('one'), isRegistering: true });
    const [setAside] = (await readdir(folder)).filter((name) => name.startsWith('state.corrupt-'));
    expect(repair).toContain(join(folder, setAside ?? 'none'));
    expect(await readFile(join(folder, setAside!), 'utf8')).toContain('deadbeef');
    expect(await file.read()).toEqual({ state, repair: null });
  });

  it('uses the previous copy if the file is gone', async () => {
    await file.write(aState('one'));
    await file.write(aState('two'));
    await rm(join(folder, 'state.json'));
    expect((await file.read()).state?.hostId).toBe('one');
  });

  it('never forgets the host id silently: without a sound copy every read fails, until the state is removed', async () => {
    await file.write(aState('one'));
    await file.write(aState('two'));
    await corrupt('state.json');
    await corrupt('state.previous.json');
    await expect(file.read()).rejects.toMatchObject({ exitCode: 78, code: 'state_corrupt' });
    await expect(file.read()).rejects.toMatchObject({ exitCode: 78, code: 'state_corrupt' });
    await file.remove();
    expect(await file.read()).toEqual({ state: null, repair: null });
  });

  it('without repairs, changes nothing', async () => {
    await file.write(aState('one'));
    await corrupt('state.json');
    await expect(file.read({ repairs: false })).rejects.toMatchObject({ code: 'state_corrupt' });
    expect(await readdir(folder)).toEqual(['state.json']);
  });

  it('rejects a folder that others can read', async () => {
    await file.write(aState('one'));
    const { chmod } = await import('node:fs/promises');
    await chmod(folder, 0o750);
    await expect(file.read()).rejects.toMatchObject({ exitCode: 78, message: expect.stringContaining('mode 750') });
  });
});

describe('decodeState', () => {
  it('accepts only what was encoded, in full', () => {
    const encoded = encodeState(aState('one'));
    expect(decodeState(encoded)).toEqual(aState('one'));
    for (let length = 0; length < encoded.length; length += 1) expect(decodeState(encoded.slice(0, length))).toBeNull();
    expect(decodeState(encoded.replace('"one"', '"two"'))).toBeNull();
  });
});

it.each([
  [{ STATE_DIRECTORY: '/a:/b' }, 'linux', '/a'],
  [{}, 'linux', '/var/lib/process-server'],
] as const)('the state folder of %j on %s is %s', (environment, platform, folder) => {
  expect(stateFolder(environment, platform)).toBe(folder);
});
