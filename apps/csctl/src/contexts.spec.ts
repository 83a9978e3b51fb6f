import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { contextSummaries } from './context-view.js';
import { chooseContext, contextFilePath, readContextFile, writeContextFile, type ContextFile } from './contexts.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'csctl-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const FILE: ContextFile = {
  current: 'lab',
  contexts: {
    lab: { url: 'http://127.0.0.1:8080', apiKey: 'csk_lab-secret-0123456789' },
    site: { url: 'https://cs.example', apiKey: 'csk_site-secret-0123456789' },
  },
};

describe('the file of contexts', () => {
  it('is created with its folder, readable by its owner only, and replaced as a whole', () => {
    const path = join(folder, 'new', 'contexts.json');
    writeContextFile(path, FILE);
    writeContextFile(path, { ...FILE, current: 'site' });
    expect(readContextFile(path).current).toBe('site');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'new')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(folder, 'new'))).toEqual(['contexts.json']);
  });

  it.each([0o640, 0o604, 0o644, 0o660])('is refused when others can read it (mode %o)', (mode) => {
    const path = join(folder, 'contexts.json');
    writeContextFile(path, FILE);
    chmodSync(path, mode);
    expect(() => readContextFile(path)).toThrow(expect.objectContaining({ exitCode: 78 }));
  });

  it.each(['', '{', '[]', 'null', '{"current":"a"}'])('is refused as damaged when it is %j', (text) => {
    const path = join(folder, 'contexts.json');
    writeFileSync(path, text, { mode: 0o600 });
    expect(() => readContextFile(path)).toThrow(/damaged/);
  });

  it('is empty before the first login', () => {
    expect(readContextFile(join(folder, 'none'))).toEqual({ current: null, contexts: {} });
  });

  it('is where the environment says', () => {
    expect(contextFilePath({ CSCTL_CONFIG: '/a/b' })).toBe('/a/b');
    expect(contextFilePath({ XDG_CONFIG_HOME: '/x' })).toBe('/x/csctl/contexts.json');
    expect(contextFilePath({})).toMatch(/\.config\/csctl\/contexts\.json$/);
  });
});

describe('chooseContext', () => {
  it.each<[string | null, string | undefined, string]>([
    [null, undefined, 'lab'],
    [null, '', 'lab'],
    [null, 'site', 'site'],
    ['lab', 'site', 'lab'],
  ])('with --context %j and CSCTL_CONTEXT=%j uses %s', (option, variable, name) => {
    expect(chooseContext(FILE, option, { CSCTL_CONTEXT: variable }).name).toBe(name);
  });

  it.each(['other', '__proto__', 'constructor'])('rejects the unknown context %s', (name) => {
    expect(() => chooseContext(FILE, name, {})).toThrow(expect.objectContaining({ exitCode: 78 }));
  });

  it('rejects a command before the first login', () => {
    expect(() => chooseContext({ current: null, contexts: {} }, null, {})).toThrow(/no context yet/);
  });
});

it('a summary of a context has the first characters of its key only', () => {
  expect(JSON.stringify(contextSummaries(FILE))).not.toContain('secret-0123');
  expect(contextSummaries(FILE)[0]).toEqual({
    name: 'lab',
    server: 'http://127.0.0.1:8080',
    keyPrefix: 'csk_lab-secr',
    isCurrent: true,
  });
});
