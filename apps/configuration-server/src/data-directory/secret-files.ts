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

/** The passphrase and the first admin key in a data directory, readable to its owner alone. */
export class SecretFiles extends PassphraseFile {
  readonly passphrase: string;
  readonly adminKey: string;
  private replaced = false;

  constructor(dataDirectory: string) {
    super();
    this.passphrase = join(dataDirectory, 'connection.passphrase');
    this.adminKey = join(dataDirectory, 'admin.key');
  }

  /** @throws UnsafeFile for one that another user may have planted, or may read. */
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

  /** A passphrase was put in place by this process: the file holds a valid one. */
  get isReplaced(): boolean {
    return this.replaced;
  }

  /** SHA-256 of the secrets in the files; null where there is none. */
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
/** Another name than that of a first key, whose passphrase comes with it. */
const renewalPath = (path: string): string => `${path}.renewed`;
const writeSecret = (path: string, secret: string): Promise<void> => writePrivateFile(path, `${secret}\n`);

/**
 * The first passphrase and admin key of a new database. They are on disk before the database knows their hashes, and get
 * their names after it does: killed at any moment, the next start either finishes or begins anew. Of replicas that start
 * at once, one wins, and only its files stay: true for that one.
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

/** One more admin key, in the file of the first one: for an operator who has none any more. Killed in between, the next start finishes or forgets it. */
export async function issueAdditionalAdminKey(secrets: SecretStore, files: SecretFiles): Promise<void> {
  await secrets.addAdminKey(await stageAdminKey(files));
  await rename(renewalPath(files.adminKey), files.adminKey);
}

/** The hash of the passphrase in its file, and of a new one that is written to a second file where that is missing or cannot be one. */
export async function ensurePassphraseHash(files: SecretFiles): Promise<Buffer> {
  const kept = await readSecret(files.passphrase);
  if (kept !== null && isPassphrase(kept)) return sha256(kept);
  const generated = newPassphrase();
  await files.stage(generated);
  return sha256(generated);
}

/** A new admin key on disk, to be put in place once the database knows it. */
export async function stageAdminKey({ adminKey: path }: SecretFiles): Promise<AdminKey> {
  const adminKey = newApiKey();
  await writeSecret(renewalPath(path), adminKey);
  return { hash: sha256(adminKey), prefix: visiblePrefix(adminKey) };
}

/** Puts what was prepared in place if the database knows it, and forgets it otherwise. */
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

/** What an earlier start was about to make; the key is renamed last, so its pending file says whether it came to an end. */
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

/** A file of that name from another database is the only copy of its secret: it is kept beside the new one. */
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

/** Killed between the two renamings: the first has its name already. */
function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** @throws UnsafeFile; one that cannot be read for another reason is as one that is not there. */
const readSecret = (path: string): Promise<string | null> =>
  readPrivateFile(path).then(
    (text) => text?.trim() || null,
    (error: unknown) => {
      if (error instanceof UnsafeFile) throw error;
      return null;
    },
  );
