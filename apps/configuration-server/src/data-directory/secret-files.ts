import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PassphraseFile } from '@app/fleet';
import type { AdminKey, KeyRingStore, SecretStore } from '@app/fleet-mysql';
import {
  isPassphrase,
  newApiKey,
  newPassphrase,
  visiblePrefix,
  readPrivateFile,
  sha256,
  UnsafeFile,
  writePrivateFile,
} from '@app/platform';

/** The files of the passphrase and the first admin key in a data directory, readable by their owner only. */
export class SecretFiles extends PassphraseFile {
  readonly passphrase: string;
  readonly adminKey: string;
  private replaced = false;

  constructor(dataDirectory: string) {
    super();
    this.passphrase = join(dataDirectory, 'connection.passphrase');
    this.adminKey = join(dataDirectory, 'admin.key');
  }

  /** @throws UnsafeFile for a file that another user could have planted, or can read. */
  async assertPrivate(): Promise<void> {
    for (const path of [this.passphrase, this.adminKey])
      for (const name of [path, pendingPath(path), renewalPath(path)]) await readSecret(name);
  }

  stage(passphrase: string): Promise<void> {
    return writeSecret(pendingPath(this.passphrase), passphrase);
  }

  async commit(): Promise<string> {
    await rename(pendingPath(this.passphrase), this.passphrase);
    this.replaced = true;
    return this.passphrase;
  }

  /** This process has replaced the passphrase file: it has a valid passphrase. */
  get isReplaced(): boolean {
    return this.replaced;
  }

  /** SHA-256 of the secrets in the files; null for a missing file. */
  async hashes(): Promise<{ readonly passphrase: Buffer | null; readonly adminKey: Buffer | null }> {
    const [passphrase, adminKey] = await Promise.all([readSecret(this.passphrase), readSecret(this.adminKey)]);
    return {
      passphrase: passphrase === null ? null : sha256(passphrase),
      adminKey: adminKey === null ? null : sha256(adminKey),
    };
  }

  async stagedHash(): Promise<string | null> {
    const prepared = await readSecret(pendingPath(this.passphrase));
    return prepared === null ? null : sha256(prepared).toString('hex');
  }

  discard(): Promise<void> {
    return rm(pendingPath(this.passphrase), { force: true });
  }
}

const pendingPath = (path: string): string => `${path}.new`;
/** Differs from the pending file of the first admin key, which is created together with a passphrase. */
const renewalPath = (path: string): string => `${path}.renewed`;
const writeSecret = (path: string, secret: string): Promise<void> => writePrivateFile(path, `${secret}\n`);

/**
 * Creates the first passphrase and admin key of a new database. Pending files are written before the database stores the hashes, and
 * renamed after it: after a crash, the next start finishes or starts over. Of replicas that start concurrently, one wins and keeps its
 * files; returns true for the winner.
 */
export async function ensureInitialSecrets(
  secrets: SecretStore,
  keys: KeyRingStore,
  files: SecretFiles,
  progress: (line: string) => void,
): Promise<boolean> {
  await finishAdminKeyRenewal(keys, files);
  const pending = await readPending(files);
  if (!pending && (await secrets.hasInitialSecrets())) return false;
  const { passphrase, adminKey } = pending ?? (await generateSecrets(files));
  const won = await secrets.createInitialSecrets(sha256(passphrase), {
    hash: sha256(adminKey),
    prefix: visiblePrefix(adminKey),
  });
  const isWinner = won || (await keys.findValidApiKey(sha256(adminKey))) !== null;
  for (const path of [files.passphrase, files.adminKey]) {
    if (isWinner) await commit(path, passphrase, adminKey, progress);
    else await rm(pendingPath(path), { force: true });
  }
  return isWinner;
}

/** Creates another admin key in the file of the first one, e.g. after the loss of all keys. After a crash, the next start commits or discards it. */
export async function issueAdditionalAdminKey(secrets: SecretStore, files: SecretFiles): Promise<void> {
  await secrets.addAdminKey(await stageAdminKey(files));
  await rename(renewalPath(files.adminKey), files.adminKey);
}

/** The hash of the passphrase in its file; without a well-formed one, the hash of a new passphrase in a second file. */
export async function ensurePassphraseHash(files: SecretFiles): Promise<Buffer> {
  const kept = await readSecret(files.passphrase);
  if (kept !== null && isPassphrase(kept)) return sha256(kept);
  const generated = newPassphrase();
  await files.stage(generated);
  return sha256(generated);
}

/** Writes a new admin key to a pending file, which is renamed once the database has stored the key. */
export async function stageAdminKey({ adminKey: path }: SecretFiles): Promise<AdminKey> {
  const adminKey = newApiKey();
  await writeSecret(renewalPath(path), adminKey);
  return { hash: sha256(adminKey), prefix: visiblePrefix(adminKey) };
}

/** Renames pending files whose secret the database has stored, and removes the others. */
export async function commitStagedSecrets(keys: KeyRingStore, files: SecretFiles): Promise<void> {
  await finishAdminKeyRenewal(keys, files);
  const prepared = await files.stagedHash();
  if (prepared === null) return;
  if (await keys.isValidPassphrase(prepared)) await files.commit();
  else await files.discard();
}

async function finishAdminKeyRenewal(keys: KeyRingStore, { adminKey: path }: SecretFiles): Promise<void> {
  const renewed = await readSecret(renewalPath(path));
  if (renewed === null) return;
  if (await keys.findValidApiKey(sha256(renewed))) await rename(renewalPath(path), path);
  else await rm(renewalPath(path));
}

/** Pending secrets of an earlier start. The key is renamed last, so its pending file shows whether that start was completed. */
async function readPending(files: SecretFiles): Promise<{ passphrase: string; adminKey: string } | null> {
  const adminKey = await readSecret(pendingPath(files.adminKey));
  const passphrase =
    (await readSecret(pendingPath(files.passphrase))) ?? (adminKey && (await readSecret(files.passphrase)));
  return passphrase && adminKey ? { passphrase, adminKey } : null;
}

async function generateSecrets(files: SecretFiles): Promise<{ passphrase: string; adminKey: string }> {
  const generated = { passphrase: newPassphrase(), adminKey: newApiKey() };
  await writeSecret(pendingPath(files.passphrase), generated.passphrase);
  await writeSecret(pendingPath(files.adminKey), generated.adminKey);
  return generated;
}

/** An existing file of another database is the only copy of its secret, so it is renamed and kept. */
async function commit(
  path: string,
  passphrase: string,
  adminKey: string,
  progress: (line: string) => void,
): Promise<void> {
  const existing = await readSecret(path);
  if (existing !== null && existing !== passphrase && existing !== adminKey) {
    const kept = `${path}.${Date.now()}`;
    await rename(path, kept);
    progress(`${path} belonged to another database; it is kept as ${kept}`);
  }
  await rename(pendingPath(path), path).catch(ignoreMissing);
}

/** After a crash between the two renames, the first file is already renamed. */
function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** Null for an unreadable file, as for a missing one. @throws UnsafeFile */
const readSecret = (path: string): Promise<string | null> =>
  readPrivateFile(path).then(
    (text) => text?.trim() || null,
    (error: unknown) => {
      if (error instanceof UnsafeFile) throw error;
      return null;
    },
  );
