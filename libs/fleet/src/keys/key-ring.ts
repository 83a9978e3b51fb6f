import { callerAuthor, type EventKind, type FleetEvent } from '../events/fleet-event.js';
import { FleetError } from '../fleet-error.js';
import type { Actor } from '../process-server.js';

/** The roles of API keys; each includes those before it. */
export const ROLES = ['reader', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** An API key without its secret, which is not stored. */
export interface ApiKey {
  readonly keyId: string;
  /** The name in the audit log; unique, also among revoked keys. */
  readonly name: string;
  readonly role: Role;
  /** The first characters of the key: enough to identify it, too few to help guessing it. */
  readonly prefix: string;
  readonly createdAt: Date;
  readonly createdBy: string;
  /** Null for a key without expiry. */
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  /** Accurate to a minute; null until the first use. */
  readonly lastUsedAt: Date | null;
}

export interface Passphrase {
  readonly passphraseId: string;
  readonly createdAt: Date;
  /** The time from which it is invalid; null for the current passphrase. */
  readonly retiresAt: Date | null;
}

/** The input of a decision, while no other transaction changes keys or passphrases. */
export interface KeyRingSnapshot {
  readonly now: Date;
  /** Whether the caller's own key is still valid. */
  readonly isCallerKeyValid: boolean;
  /** The key that the decision concerns; null when it does not exist. */
  readonly apiKey: ApiKey | null;
  /** The number of other admin keys that are valid now and at least as long as this one. */
  readonly otherAdminKeys: number;
  /** The valid passphrases. */
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

/** The result, and unless nothing changes, the write with its single event. Listing keys is an event without a write. */
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

/** The id and hash of a new secret. */
export interface GeneratedSecret {
  readonly id: string;
  /** SHA-256, hex. */
  readonly hash: string;
  readonly prefix: string;
}

/** Whether a passphrase is invalid at `now`; READ_VALID_PASSPHRASES selects the valid ones. */
export const isRetired = ({ retiresAt }: Pick<Passphrase, 'retiresAt'>, now: Date): boolean =>
  retiresAt !== null && retiresAt <= now;

/**
 * Rejects a change when the caller's key was revoked while the call waited.
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
 * Revokes an API key; a repeated revocation changes nothing.
 * @throws FleetError `api_key_not_found`; `last_admin_key` when no other admin key is valid for as long as this one.
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
  /** The time until which the earlier passphrases stay valid. */
  readonly earlierRetireAt: Date;
}

/** Creates a new passphrase. All earlier ones expire after the overlap, or at their own earlier expiry. */
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

/** The event of a listing. */
export const keyListingDecision = (
  kind: 'api_keys_listed' | 'passphrases_listed',
  actor: Actor,
): KeyDecision<void> => ({
  result: undefined,
  change: { event: toKeyEvent(kind, actor, {}) },
});
