import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { SecretStore } from '@app/fleet-mysql';
import { newApiKey, newPassphrase, sha256 } from '@app/platform';

export interface SecretFiles {
  readonly passphrase: string;
  readonly adminKey: string;
}

const pendingOf = (path: string): string => `${path}.new`;

/**
 * The first passphrase and admin key of a new database. They are on disk before the database knows their hashes, and get
 * their names after it does: killed at any moment, the next start either finishes or begins anew. Of replicas that start
 * at once, one wins, and only its files stay.
 */
export async function makeFirstSecrets(secrets: SecretStore, files: SecretFiles, progress: (line: string) => void): Promise<void> {
  const begun = await readPending(files);
  if (!begun && (await secrets.haveFirstSecrets())) return;
  const { passphrase, adminKey } = begun ?? (await writePending(files));
  const won = await secrets.firstSecrets(sha256(passphrase), sha256(adminKey));
  const ours = won || (await secrets.apiKey(sha256(adminKey))) !== null;
  for (const path of [files.passphrase, files.adminKey]) {
    if (ours) await putInPlace(path, passphrase, adminKey, progress);
    else await rm(pendingOf(path), { force: true });
  }
}

/** What an earlier start was about to make; the key is renamed last, so its pending file says whether it came to an end. */
async function readPending(files: SecretFiles): Promise<{ passphrase: string; adminKey: string } | null> {
  const adminKey = await readSecret(pendingOf(files.adminKey));
  const passphrase = (await readSecret(pendingOf(files.passphrase))) ?? (adminKey && (await readSecret(files.passphrase)));
  return passphrase && adminKey ? { passphrase, adminKey } : null;
}

async function writePending(files: SecretFiles): Promise<{ passphrase: string; adminKey: string }> {
  const made = { passphrase: newPassphrase(), adminKey: newApiKey() };
  await writeFile(pendingOf(files.passphrase), `${made.passphrase}\n`, { mode: 0o600, flush: true });
  await writeFile(pendingOf(files.adminKey), `${made.adminKey}\n`, { mode: 0o600, flush: true });
  return made;
}

/** A file of that name from another database is the only copy of its secret: it is kept beside the new one. */
async function putInPlace(path: string, passphrase: string, adminKey: string, progress: (line: string) => void): Promise<void> {
  const there = await readSecret(path);
  if (there !== null && there !== passphrase && there !== adminKey) {
    const kept = `${path}.${Date.now()}`;
    await rename(path, kept);
    progress(`${path} belonged to another database; it is kept as ${kept}`);
  }
  await rename(pendingOf(path), path).catch(unlessRenamedBefore);
}

/** Killed between the two renamings: the first has its name already. */
function unlessRenamedBefore(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

const readSecret = (path: string): Promise<string | null> =>
  readFile(path, 'utf8').then(
    (text) => text.trim() || null,
    () => null,
  );
