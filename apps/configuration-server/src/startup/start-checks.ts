import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { errorCode, errorMessage, assertPrivateFolder, type Settings } from '@app/platform';
import { StartupError } from './startup-error.js';
import { SecretFiles } from '../data-directory/secret-files.js';

/** Opens the secret files of a data directory, which is created if missing, readable by its owner only. @throws StartupError, UnsafeFile */
export async function openSecretFiles(dataDirectory: string): Promise<SecretFiles> {
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw new StartupError(`DATA_DIRECTORY ${dataDirectory} cannot be used: ${errorMessage(error)}`, { cause: error });
  });
  await assertPrivateFolder(dataDirectory);
  const files = new SecretFiles(dataDirectory);
  await files.assertPrivate();
  return files;
}

/**
 * Resolves the one address to listen on. This runs before anything else: a port in use is the most frequent reason why a start fails.
 * For a name, Fastify would open a second server on its other address, which checks no PROXY protocol header.
 */
export async function resolveListenAddress({ host, port }: Settings['http']): Promise<string> {
  try {
    const { address } = await lookup(host, { order: 'ipv4first' });
    const probe = createServer().listen({ host: address, port, exclusive: true });
    await once(probe, 'listening');
    await new Promise((closed) => probe.close(closed));
    return address;
  } catch (error) {
    const why =
      errorCode(error) === 'EADDRINUSE'
        ? 'another program uses this port. Stop it, or choose another HTTP_PORT'
        : errorMessage(error);
    throw new StartupError(`HTTP_PORT ${port} on ${host} cannot be used: ${why}.`, { cause: error });
  }
}
