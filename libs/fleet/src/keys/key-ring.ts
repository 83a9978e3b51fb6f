import { callerAuthor, type EventKind, type FleetEvent } from '../events/fleet-event.js';
import { FleetError } from '../fleet-error.js';
import type { Actor } from '../process-server.js';

/** What an API key may do: each role includes those before it. */
export const ROLES = ['reader', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** An API key, without its secret, which nobody can read again. */
export interface ApiKey {
  readonly keyId: string;
  /** For the audit log; never given a second time, also after it was revoked. */
  readonly name: string;
  readonly role: Role;
  /** How the key begins: enough to find it, of no use to guess it. */
  readonly prefix: string;
  readonly createdAt: Date;
  readonly createdBy: string;
  /** Null: never. */
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  /** Within a minute; null until its first use. */
  readonly lastUsedAt: Date | null;
}

export interface Passphrase {
  readonly passphraseId: string;
  readonly createdAt: Date;
  /** From then on it lets nobody in; null for the one of now. */
  readonly retiresAt: Date | null;
}

/** What a decision sees, while nobody else changes keys or passphrases. */
export interface KeyRingSnapshot {
  readonly now: Date;
  /** Whether the caller's own key lets him in now. */
  readonly isCallerKeyValid: boolean;
  /** The one that it is about; null when there is none. */
  readonly apiKey: ApiKey | null;
  /** Other keys of admins that let somebody in now, and no shorter than this one. */
  readonly otherAdminKeys: number;
  /** Those that let somebody in now. */
  readonly passphrases: readonly Passphrase[];
}

export type KeyWrite =
  | { readonly to: 'api_key_created'; readonly apiKey: ApiKey; readonly hash: string }
  | { readonly to: 'api_key_revoked'; readonly keyId: string; readonly at: Date }
  | {
      readonly to: 'passphrase_rotated';
      readonly passphrase: Passphrase;
      readonly hash: string;
      readonly earlierRetireAt: Date;
    };

type KeyEvent = Omit<FleetEvent, 'id' | 'at' | 'hostId' | 'generation'>;

/** The answer, and unless nothing happens, what is written with its one event. Reading keys is an event without a write. */
export interface KeyDecision<A> {
  readonly result: A;
  readonly change?: { readonly write?: KeyWrite; readonly event: KeyEvent };
}

export interface CreateApiKeyCommand {
  readonly name: string;
  readonly role: Role;
  readonly expiresAt: Date | null;
  readonly actor: Actor;
}

/** Identity and hash of a secret that was just made. */
export interface GeneratedSecret {
  readonly id: string;
  /** SHA-256, hex. */
  readonly hash: string;
  readonly prefix: string;
}

/** From then on a passphrase lets nobody in; READ_VALID_PASSPHRASES asks for the others. */
export const isRetired = ({ retiresAt }: Pick<Passphrase, 'retiresAt'>, now: Date): boolean =>
  retiresAt !== null && retiresAt <= now;

/**
 * The key of a caller may have been revoked while his call waited: then he changes nothing more.
 * @throws FleetError `api_key_rejected`.
 */
export function assertCallerKeyValid({ isCallerKeyValid }: Pick<KeyRingSnapshot, 'isCallerKeyValid'>): void {
  if (!isCallerKeyValid) throw new FleetError({ code: 'api_key_rejected' });
}

const toKeyEvent = (kind: EventKind, actor: Actor, detail: object): KeyEvent => ({
  kind,
  ...callerAuthor(actor),
  detail: { ...detail },
});

/** @throws FleetError `api_key_name_taken`, `expiry_not_in_future`. */
export function createApiKey(
  { name, role, expiresAt, actor }: CreateApiKeyCommand,
  { id, hash, prefix }: GeneratedSecret,
  snapshot: KeyRingSnapshot,
): KeyDecision<ApiKey> {
  if (snapshot.apiKey) throw new FleetError({ code: 'api_key_name_taken', name: snapshot.apiKey.name });
  if (expiresAt && expiresAt <= snapshot.now) throw new FleetError({ code: 'expiry_not_in_future' });
  const apiKey: ApiKey = {
    keyId: id,
    name,
    role,
    prefix,
    createdAt: snapshot.now,
    createdBy: actor.name,
    expiresAt,
    revokedAt: null,
    lastUsedAt: null,
  };
  const detail = { keyId: id, name, role, prefix, expiresAt: expiresAt?.toISOString() ?? null };
  return {
    result: apiKey,
    change: { write: { to: 'api_key_created', apiKey, hash }, event: toKeyEvent('api_key_created', actor, detail) },
  };
}

/**
 * Revoked again, the same.
 * @throws FleetError `api_key_not_found`; `last_admin_key` when no other key of an admin lets anybody in for as long as this one.
 */
export function revokeApiKey(actor: Actor, { apiKey, otherAdminKeys, now }: KeyRingSnapshot): KeyDecision<ApiKey> {
  if (!apiKey) throw new FleetError({ code: 'api_key_not_found' });
  if (apiKey.revokedAt) return { result: apiKey };
  if (apiKey.role === 'admin' && otherAdminKeys === 0) throw new FleetError({ code: 'last_admin_key' });
  const { keyId, name, role, prefix } = apiKey;
  return {
    result: { ...apiKey, revokedAt: now },
    change: {
      write: { to: 'api_key_revoked', keyId, at: now },
      event: toKeyEvent('api_key_revoked', actor, { keyId, name, role, prefix }),
    },
  };
}

export interface Rotation {
  readonly passphraseId: string;
  readonly createdAt: Date;
  /** Until then the earlier passphrases let somebody in as well. */
  readonly earlierRetireAt: Date;
}

/** A new passphrase; all earlier ones retire after the overlap, those that were about to retire sooner as they were. */
export function rotatePassphrase(
  actor: Actor,
  overlapSeconds: number,
  { id, hash }: GeneratedSecret,
  { now, passphrases }: KeyRingSnapshot,
): KeyDecision<Rotation> {
  const earlierRetireAt = new Date(now.getTime() + overlapSeconds * 1000);
  const passphrase: Passphrase = { passphraseId: id, createdAt: now, retiresAt: null };
  const detail = {
    passphraseId: id,
    earlier: passphrases.map(({ passphraseId }) => passphraseId),
    earlierRetireAt: earlierRetireAt.toISOString(),
  };
  return {
    result: { passphraseId: id, createdAt: now, earlierRetireAt },
    change: {
      write: { to: 'passphrase_rotated', passphrase, hash, earlierRetireAt },
      event: toKeyEvent('passphrase_rotated', actor, detail),
    },
  };
}

/** That somebody looked at what there is. */
export const keyListingDecision = (
  kind: 'api_keys_listed' | 'passphrases_listed',
  actor: Actor,
): KeyDecision<void> => ({
  result: undefined,
  change: { event: toKeyEvent(kind, actor, {}) },
});
