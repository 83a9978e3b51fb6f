import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { ServerFolder, type ServerProgram } from '../support/server-program.js';
import { CsctlProgram } from './csctl-program.js';

jest.setTimeout(300_000);

let folder: ServerFolder;
let server: ServerProgram;
let csctl: CsctlProgram;
beforeAll(async () => {
  folder = await (await ServerFolder.make()).prepare();
  server = await folder.start();
  csctl = await CsctlProgram.make();
  const keyFile = join(csctl.folder, 'admin.key');
  await writeFile(keyFile, await folder.adminKey(), { mode: 0o600 });
  expect(await csctl.run('login', '--server', server.url, '--key-file', keyFile)).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await csctl.remove();
  await folder.remove();
});

const listed = async <Item>(...command: string[]): Promise<Item[]> => {
  const { code, stdout } = await csctl.run(...command, '-o', 'json');
  expect(code).toBe(0);
  return (JSON.parse(stdout) as { items: Item[] }).items;
};

it('keys create stores the key in a private file, and prints it nowhere', async () => {
  const file = join(csctl.folder, 'portal.key');
  const created = await csctl.run('keys', 'create', 'portal', '--role', 'reader', '--file', file, '-o', 'json');
  expect(created).toMatchObject({ code: 0 });
  expect(created.stderr).toContain(`server ${server.url}`);
  const key = (await readFile(file, 'utf8')).trim();
  expect(key).toMatch(/^csk_/);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(created.stdout + created.stderr).not.toContain(key);
  const { code } = await csctl.run('login', '--server', server.url, '--key-file', file, '--name', 'portal');
  expect(code).toBe(0);

  expect(await csctl.run('--context', 'portal', 'fleet')).toMatchObject({ code: 2 });
  expect(await csctl.run('fleet', '--context', 'portal')).toMatchObject({ code: 0 });
  expect(await csctl.run('keys', 'list', '--context', 'portal')).toMatchObject({ code: 3 });
  const name = new URL(server.url).host;
  expect(await csctl.run('context', 'use', name)).toMatchObject({ code: 0 });
  expect(await csctl.run('keys', 'revoke', 'portal', '--yes')).toMatchObject({ code: 0 });
  expect(await csctl.run('fleet', '--context', 'portal')).toMatchObject({ code: 4 });
});

it('keys create changes nothing if there is no place for the key', async () => {
  const file = join(csctl.folder, 'taken');
  await writeFile(file, 'kept');
  expect(await csctl.run('keys', 'create', 'lost', '--role', 'reader')).toMatchObject({ code: 2, stdout: '' });
  expect(await csctl.run('keys', 'create', 'lost', '--role', 'reader', '--file', file)).toMatchObject({ code: 2 });
  expect(await readFile(file, 'utf8')).toBe('kept');
  const keys = await listed<{ name: string }>('keys', 'list');
  expect(keys.map(({ name }) => name)).not.toContain('lost');
});

it('keys create leaves no file if the server rejects it', async () => {
  const file = join(csctl.folder, 'second.key');
  const taken = await csctl.run('keys', 'create', 'admin', '--role', 'reader', '--file', file);
  expect(taken.code).toBe(3);
  expect(taken.stderr).toContain('code: api_key_name_taken');
  await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
});

it('keys create shows the key on a terminal', async () => {
  const { code, screen } = await csctl.inTerminal('keys', 'create', 'by-hand', '--role', 'reader').end();
  expect(code).toBe(0);
  expect(screen).toMatch(/Key: +csk_\S{20,}/);
});

it('an enrolment is created, listed without its token, and revoked', async () => {
  const file = join(csctl.folder, 'enrolment.json');
  const created = await csctl.run(
    'enrolments',
    'create',
    '--note',
    'Berlin',
    '--expires',
    '2d',
    '--file',
    file,
    '-o',
    'name',
  );
  expect(created).toMatchObject({ code: 0 });
  const id = created.stdout.trim();
  const { token, enrolmentId } = JSON.parse(await readFile(file, 'utf8')) as { token: string; enrolmentId: string };
  expect(enrolmentId).toBe(id);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await csctl.run('enrolments', 'list', '-o', 'json')).stdout).not.toContain(token);
  expect(await csctl.run('enrolments', 'revoke', id)).toMatchObject({ code: 2 });
  expect(await csctl.run('enrolments', 'revoke', id, '--yes')).toMatchObject({ code: 0 });
  expect(await listed('enrolments', 'list')).toMatchObject([{ enrolmentId: id, state: 'Revoked', note: 'Berlin' }]);
});

it('the passphrase is rotated, and never printed', async () => {
  const rotated = await csctl.run('passphrase', 'rotate', '--overlap', '1h', '--yes', '-o', 'json');
  expect(rotated).toMatchObject({ code: 0 });
  expect(JSON.parse(rotated.stdout)).toMatchObject({ file: folder.path('connection.passphrase') });
  expect(rotated.stdout + rotated.stderr).not.toContain(await folder.passphrase());
  expect(await listed('passphrase', 'list')).toHaveLength(2);
});

it('the audit log is exported to stdout and to a file', async () => {
  const printed = await csctl.run('audit', 'export', '--kind', 'api_key_created');
  expect(printed).toMatchObject({ code: 0 });
  const events = printed.stdout.trimEnd().split('\n');
  expect(events.map((line) => (JSON.parse(line) as { kind: string }).kind)).toContain('api_key_created');
  expect(printed.stderr).toMatch(/^Exported until \d{4}-/);
  const file = join(csctl.folder, 'audit.jsonl');
  expect(await csctl.run('audit', 'export', '--kind', 'api_key_created', '--file', file)).toMatchObject({ code: 0 });
  expect(await readFile(file, 'utf8')).toBe(printed.stdout);
});

it.each([
  ['capacity', 'site'],
  ['upgrade-readiness', 'counts'],
  ['releases list', 'items'],
])('%s prints the shape of the API, and a table', async (command, member) => {
  const words = command.split(' ');
  const { stdout } = await csctl.run(...words, '-o', 'json');
  expect(JSON.parse(stdout)).toHaveProperty(member);
  for (const format of ['table', 'wide', 'yaml', 'name'])
    expect(await csctl.run(...words, '-o', format)).toMatchObject({ code: 0 });
});
