import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PassphraseFile } from '@app/fleet';
import type { AdminKey, KeyRingStore, SecretStore } from '@app/fleet-mysql';
import {
  isPassphrase,
  newApiKey,
  newPassphrase,
  prefixOf,
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
  async mustBePrivate(): Promise<void> {
    for (const path of [this.passphrase, this.adminKey])
      for (const name of [path, pendingOf(path), renewedOf(path)]) await readSecret(name);
  }

  prepare(passphrase: string): Promise<void> {
    return writeSecret(pendingOf(this.passphrase), passphrase);
  }

  async putInPlace(): Promise<string> {
    await rename(pendingOf(this.passphrase), this.passphrase);
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

  async preparedHash(): Promise<string | null> {
    const prepared = await readSecret(pendingOf(this.passphrase));
    return prepared === null ? null : sha256(prepared).toString('hex');
  }

  forget(): Promise<void> {
    return rm(pendingOf(this.passphrase), { force: true });
  }
}

const pendingOf = (path: string): string => `${path}.new`;
/** Another name than that of a first key, whose passphrase comes with it. */
const renewedOf = (path: string): string => `${path}.renewed`;
const writeSecret = (path: string, secret: string): Promise<void> => writePrivateFile(path, `${secret}\n`);

/**
 * The first passphrase and admin key of a new database. They are on disk before the database knows their hashes, and get
 * their names after it does: killed at any moment, the next start either finishes or begins anew. Of replicas that start
 * at once, one wins, and only its files stay: true for that one.
 */
export async function settleSecrets(
  secrets: SecretStore,
  keys: KeyRingStore,
  files: SecretFiles,
  progress: (line: string) => void,
): Promise<boolean> {
  await settleRenewal(keys, files);
  const begun = await readPending(files);
  if (!begun && (await secrets.haveFirstSecrets())) return false;
  const { passphrase, adminKey } = begun ?? (await writeNew(files));
  const won = await secrets.firstSecrets(sha256(passphrase), { hash: sha256(adminKey), prefix: prefixOf(adminKey) });
  const ours = won || (await keys.apiKeyOf(sha256(adminKey))) !== null;
  for (const path of [files.passphrase, files.adminKey]) {
    if (ours) await putInPlace(path, passphrase, adminKey, progress);
    else await rm(pendingOf(path), { force: true });
  }
  return ours;
}

/** One more admin key, in the file of the first one: for an operator who has none any more. Killed in between, the next start finishes or forgets it. */
export async function renewAdminKey(secrets: SecretStore, files: SecretFiles): Promise<void> {
  await secrets.addAdminKey(await prepareAdminKey(files));
  await rename(renewedOf(files.adminKey), files.adminKey);
}

/** The hash of the passphrase in its file, and of a new one that is written to a second file where that is missing or cannot be one. */
export async function passphraseToKeep(files: SecretFiles): Promise<Buffer> {
  const kept = await readSecret(files.passphrase);
  if (kept !== null && isPassphrase(kept)) return sha256(kept);
  const made = newPassphrase();
  await files.prepare(made);
  return sha256(made);
}

/** A new admin key on disk, to be put in place once the database knows it. */
export async function prepareAdminKey({ adminKey: path }: SecretFiles): Promise<AdminKey> {
  const adminKey = newApiKey();
  await writeSecret(renewedOf(path), adminKey);
  return { hash: sha256(adminKey), prefix: prefixOf(adminKey) };
}

/** Puts what was prepared in place if the database knows it, and forgets it otherwise. */
export async function settlePrepared(keys: KeyRingStore, files: SecretFiles): Promise<void> {
  await settleRenewal(keys, files);
  const prepared = await files.preparedHash();
  if (prepared === null) return;
  if (await keys.knowsPassphrase(prepared)) await files.putInPlace();
  else await files.forget();
}

async function settleRenewal(keys: KeyRingStore, { adminKey: path }: SecretFiles): Promise<void> {
  const renewed = await readSecret(renewedOf(path));
  if (renewed === null) return;
  if (await keys.apiKeyOf(sha256(renewed))) await rename(renewedOf(path), path);
  else await rm(renewedOf(path));
}

/** What an earlier start was about to make; the key is renamed last, so its pending file says whether it came to an end. */
async function readPending(files: SecretFiles): Promise<{ passphrase: string; adminKey: string } | null> {
  const adminKey = await readSecret(pendingOf(files.adminKey));
  const passphrase =
    (await readSecret(pendingOf(files.passphrase))) ?? (adminKey && (await readSecret(files.passphrase)));
  return passphrase && adminKey ? { passphrase, adminKey } : null;
}

async function writeNew(files: SecretFiles): Promise<{ passphrase: string; adminKey: string }> {
  const made = { passphrase: newPassphrase(), adminKey: newApiKey() };
  await writeSecret(pendingOf(files.passphrase), made.passphrase);
  await writeSecret(pendingOf(files.adminKey), made.adminKey);
  return made;
}

/** A file of that name from another database is the only copy of its secret: it is kept beside the new one. */
async function putInPlace(
  path: string,
  passphrase: string,
  adminKey: string,
  progress: (line: string) => void,
): Promise<void> {
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

/** @throws UnsafeFile; one that cannot be read for another reason is as one that is not there. */
const readSecret = (path: string): Promise<string | null> =>
  readPrivateFile(path).then(
    (text) => text?.trim() || null,
    (error: unknown) => {
      if (error instanceof UnsafeFile) throw error;
      return null;
    },
  );
