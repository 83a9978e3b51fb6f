import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { RegistrationSecret } from '@app/api-client';
import { configurationError } from '../output/agent-error.js';
import type { Connection } from '../state/agent-state.js';
import { readConfiguredFile } from './configured-file.js';
import { readEnrolmentFile } from './enrolment-file.js';

/** The names of the credentials that the unit of the service loads. */
const PASSPHRASE_CREDENTIAL = 'passphrase';
const ENROLMENT_CREDENTIAL = 'enrolment';

/**
 * The secret of a registration, read again each time, because the operator replaces it: a credential of the service manager, the
 * file of the passphrase, or that of the enrolment. The passphrase comes first, because an enrolment expires.
 * @throws AgentError (configuration) if there is none.
 */
export async function registrationSecret(
  { passphraseFile, enrolmentFile }: Pick<Connection, 'passphraseFile' | 'enrolmentFile'>,
  environment: NodeJS.ProcessEnv,
): Promise<RegistrationSecret> {
  const credentials = environment['CREDENTIALS_DIRECTORY'];
  const credential = async (name: string): Promise<string | null> =>
    credentials && (await exists(join(credentials, name))) ? join(credentials, name) : null;
  const passphrase = (await credential(PASSPHRASE_CREDENTIAL)) ?? passphraseFile;
  if (passphrase) return passphraseIn(passphrase);
  const enrolment = (await credential(ENROLMENT_CREDENTIAL)) ?? enrolmentFile;
  if (enrolment) return { kind: 'enrolment', value: (await readEnrolmentFile(enrolment)).token };
  throw configurationError(
    'secret_missing',
    'There is neither a passphrase file nor an enrolment file.',
    'Run the command again with --passphrase-file FILE or --vault-creds-file FILE.',
  );
}

async function passphraseIn(path: string): Promise<RegistrationSecret> {
  const value = (await readConfiguredFile(path, '--passphrase-file')).trim();
  if (!value || /[^\x21-\x7e]/.test(value))
    throw configurationError(
      'secret_missing',
      `${path} does not hold a passphrase on one line.`,
      'Copy the passphrase of the configuration server into it.',
    );
  return { kind: 'passphrase', value };
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
