import { readFileSync } from 'node:fs';
import { CliError, EXIT_CODES, messageOf } from '@app/cli';
import { contextFilePath, readContextFile, readPrivateFile, writeContextFile, type Context } from '../contexts.js';
import type { Invocation } from '../invocation.js';

export async function run(invocation: Invocation): Promise<void> {
  const url = serverUrl(invocation);
  const keyFile = invocation.text('key-file') ?? '';
  const apiKey = readPrivateFile(keyFile)?.trim();
  if (apiKey === undefined) throw new CliError(EXIT_CODES.configuration, `${keyFile} is not there.`);
  if (!/^csk_[\x21-\x7e]+$/.test(apiKey))
    throw new CliError(EXIT_CODES.configuration, `${keyFile} has no API key: a key begins with csk_.`);
  const certificateAuthorities = authorities(invocation.text('ca-file'));
  const context: Context = { url, apiKey, ...(certificateAuthorities !== undefined && { certificateAuthorities }) };
  const name = invocation.text('name') ?? new URL(url).host;
  const path = contextFilePath();
  readContextFile(path); // a damaged file must not be found after the call
  const server = await invocation.use(name, context).configurationServer();

  const { contexts } = readContextFile(path);
  writeContextFile(path, { current: name, contexts: { ...contexts, [name]: context } });
  invocation.terminal.say(`The context is stored in ${path} and chosen.`);
  await invocation.printer.document(
    { name, server: url, serverVersion: server.version },
    { name: (document) => document.name },
  );
}

function serverUrl(invocation: Invocation): string {
  const text = invocation.text('server') ?? 'http://127.0.0.1:8080';
  if (!URL.canParse(text) || !/^https?:/.test(text))
    throw invocation.usageError(`--server is "${text}", but must be an http or https address.`);
  const { username, password, search, hash, href } = new URL(text);
  if (username || password || search || hash)
    throw invocation.usageError('--server must have no user, password, query or fragment.');
  return href.replace(/\/+$/, '');
}

function authorities(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    const text = readFileSync(file, 'utf8');
    if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('it has no PEM certificate');
    return text;
  } catch (error) {
    throw new CliError(EXIT_CODES.configuration, `${file} cannot be used: ${messageOf(error)}.`);
  }
}
