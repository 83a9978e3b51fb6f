import { hash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { CredentialIssuer, SecretGenerator, type GeneratedSecret, type IssuedCredential } from '@app/fleet';

export const CREDENTIAL_PREFIX = 'psc_';
export const API_KEY_PREFIX = 'csk_';
const RANDOM_BYTES = 32;
const API_KEY_LENGTH = API_KEY_PREFIX.length + Math.ceil((RANDOM_BYTES * 8) / 6);
const GENERATION_BYTES = 4;
/** The canonical encoding of 4 + 32 + 32 bytes: the last two bits of the last digit are zero. */
const CREDENTIAL_FORM = new RegExp(`^${CREDENTIAL_PREFIX}[\\w-]{90}[AEIMQUYcgkosw048]$`);
const VISIBLE_CHARACTERS = 8;
const PASSPHRASE_ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const PASSPHRASE_GROUPS = 6;
const PASSPHRASE_GROUP_LENGTH = 5;

/**
 * A digest that Node returns as a Buffer has memory outside of the heap. Thousands of them per second double the time of
 * garbage collections, so the digest is returned as text.
 */
export const sha256 = (bytes: Buffer | string): Buffer => Buffer.from(hash('sha256', bytes, 'binary'), 'binary');

/** Compares in constant time. */
export const constantTimeEqual = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);

/** 30 characters of an alphabet of 32: 150 random bits, readable enough to be copied by a person. */
export function newPassphrase(): string {
  const bytes = randomBytes(PASSPHRASE_GROUPS * PASSPHRASE_GROUP_LENGTH);
  const characters = [...bytes].map((byte) => PASSPHRASE_ALPHABET[byte % PASSPHRASE_ALPHABET.length]).join('');
  return characters.match(new RegExp(`.{${PASSPHRASE_GROUP_LENGTH}}`, 'g'))?.join('-') ?? characters;
}

const PASSPHRASE_FORM = new RegExp(`^([${PASSPHRASE_ALPHABET}]{${PASSPHRASE_GROUP_LENGTH}}-?){${PASSPHRASE_GROUPS}}$`);
/** Whether the text has the form of a passphrase. */
export const isPassphrase = (text: string): boolean => PASSPHRASE_FORM.test(text);

/** An API key with 256 random bits. */
export const newApiKey = (): string => API_KEY_PREFIX + randomBytes(RANDOM_BYTES).toString('base64url');
/** Whether the token has the form of an API key. */
export const isApiKey = (token: string): boolean => token.length === API_KEY_LENGTH && token.startsWith(API_KEY_PREFIX);
/** The displayed beginning of a key: 48 of its bits. */
export const visiblePrefix = (key: string): string => key.slice(0, API_KEY_PREFIX.length + VISIBLE_CHARACTERS);
export const newSharedKey = (): Buffer => randomBytes(32);

/** Generates API keys and passphrases. */
export class RandomSecretGenerator extends SecretGenerator {
  apiKey(): Omit<GeneratedSecret, 'id'> & { readonly secret: string } {
    const secret = newApiKey();
    return { secret, hash: sha256(secret).toString('hex'), prefix: visiblePrefix(secret) };
  }

  passphrase(): Omit<GeneratedSecret, 'id'> & { readonly secret: string } {
    const secret = newPassphrase();
    return { secret, hash: sha256(secret).toString('hex'), prefix: '' };
  }
}

const BLOCK_BYTES = 64;

/**
 * HMAC-SHA-256 (RFC 2104) by two one-shot digests. An `Hmac` object of Node has a native handle, whose garbage
 * collection costs more than the digest: with it the server needs 10 % more time for a heartbeat.
 */
export class OneShotHmac {
  private readonly innerPad: Buffer;
  private readonly outerPad: Buffer;

  /** @throws RangeError for a key of more than 64 bytes. */
  constructor(key: Buffer) {
    if (key.length > BLOCK_BYTES) throw new RangeError('an HMAC key has at most 64 bytes');
    const block = Buffer.concat([key], BLOCK_BYTES);
    this.innerPad = Buffer.from(block.map((byte) => byte ^ 0x36));
    this.outerPad = Buffer.from(block.map((byte) => byte ^ 0x5c));
  }

  digest(message: Buffer): Buffer {
    return sha256(Buffer.concat([this.outerPad, sha256(Buffer.concat([this.innerPad, message]))]));
  }
}

/** The content of a genuine credential. */
export interface VerifiedCredential {
  readonly generation: number;
  /** SHA-256 (hex), as stored in the registry. */
  readonly credentialHash: string;
}

/** 32 bytes from 366 random bits. Node draws those of UUIDs in advance; `randomBytes` takes 3 % of a registration. */
const drawnInAdvance = (): Buffer => sha256(randomUUID() + randomUUID() + randomUUID());

/** `psc_` and, in base64url, generation, 256 random bits, and an HMAC over host id and both: a forgery is detected without a database. */
export class HmacCredentials extends CredentialIssuer {
  private readonly hmac: OneShotHmac;

  constructor(key: Buffer) {
    super();
    this.hmac = new OneShotHmac(key);
  }

  issue(hostId: string, generation: number): IssuedCredential {
    const generationBytes = Buffer.alloc(GENERATION_BYTES);
    generationBytes.writeUInt32BE(generation);
    const body = Buffer.concat([generationBytes, drawnInAdvance()]);
    const credential = CREDENTIAL_PREFIX + Buffer.concat([body, this.mac(hostId, body)]).toString('base64url');
    return { credential, credentialHash: sha256(credential).toString('hex') };
  }

  /** Null when the credential was not issued by this site for this host id. */
  verify(hostId: string, credential: string): VerifiedCredential | null {
    if (!CREDENTIAL_FORM.test(credential)) return null;
    const bytes = Buffer.from(credential.slice(CREDENTIAL_PREFIX.length), 'base64url');
    const body = bytes.subarray(0, GENERATION_BYTES + RANDOM_BYTES);
    if (!constantTimeEqual(this.mac(hostId, body), bytes.subarray(body.length))) return null;
    return { generation: body.readUInt32BE(), credentialHash: hash('sha256', credential, 'hex') };
  }

  private mac(hostId: string, body: Buffer): Buffer {
    return this.hmac.digest(Buffer.concat([Buffer.from(hostId, 'latin1'), body]));
  }
}
