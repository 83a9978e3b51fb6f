import {
  callerMustBeIn,
  createApiKey,
  keysListed,
  revokeApiKey,
  rotatePassphrase,
  type ApiKey,
  type ApiKeyOrder,
  type HeldKeys,
  type KeyDecision,
  type MadeSecret,
  type Passphrase,
  type Rotation,
} from './key-ring.js';
import type { Clock, Identifiers, KeyRing, PassphraseFile, SecretMint } from './ports.js';
import type { Actor } from './process-server.js';

export interface KeyPage<Item> {
  readonly items: readonly Item[];
  /** Identity after which the next page begins; null on the last. */
  readonly next: string | null;
  readonly asOf: Date;
}

/** Keeps the API keys and the passphrase: makes them, hands each out once, and ends them. */
export class KeyKeeper {
  private rotating: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly ring: KeyRing,
    private readonly mint: SecretMint,
    private readonly file: PassphraseFile,
    private readonly identifiers: Identifiers,
    private readonly clock: Clock,
    /** How long an earlier passphrase stays valid unless told. */
    private readonly overlapSeconds: number,
  ) {}

  /** The key is told once. @throws FleetError as `createApiKey`. */
  async createApiKey(order: ApiKeyOrder): Promise<{ readonly apiKey: ApiKey; readonly key: string }> {
    const { secret, ...made } = this.mint.apiKey();
    const apiKey = await this.change(order.actor, { name: order.name }, (held) =>
      createApiKey(order, this.named(made), held),
    );
    return { apiKey, key: secret };
  }

  /** @throws FleetError as `revokeApiKey`. */
  revokeApiKey(keyId: string, actor: Actor): Promise<ApiKey> {
    return this.change(actor, { keyId }, (held) => revokeApiKey(actor, held));
  }

  /** In the order in which they were made; the look itself is in the audit log. */
  async apiKeys(actor: Actor, limit: number, after: string | null): Promise<KeyPage<ApiKey>> {
    await this.change(actor, {}, () => keysListed('api_keys_listed', actor));
    return this.pageOf(await this.ring.apiKeys(limit + 1, after), limit, ({ keyId }) => keyId);
  }

  async passphrases(actor: Actor, limit: number, after: string | null): Promise<KeyPage<Passphrase>> {
    await this.change(actor, {}, () => keysListed('passphrases_listed', actor));
    return this.pageOf(await this.ring.passphrases(limit + 1, after), limit, ({ passphraseId }) => passphraseId);
  }

  /**
   * Makes a new passphrase and puts it where the operator finds it; no answer shows it. It is on disk before anybody may
   * use it: one at a time, since there is one file.
   */
  rotatePassphrase(actor: Actor, overlapSeconds: number | null): Promise<Rotation & { readonly file: string }> {
    return this.afterOthers(() => this.rotate(actor, overlapSeconds ?? this.overlapSeconds));
  }

  /** Finishes or forgets a rotation whose outcome nobody knew: the file must not keep a passphrase that lets nobody in. */
  settleRotation(): Promise<void> {
    return this.afterOthers(() => this.settle());
  }

  private afterOthers<A>(work: () => Promise<A>): Promise<A> {
    const done = this.rotating.then(work);
    this.rotating = done.catch(() => undefined);
    return done;
  }

  private async settle(): Promise<void> {
    const prepared = await this.file.preparedHash();
    if (prepared === null) return;
    if (await this.ring.knowsPassphrase(prepared)) await this.file.putInPlace();
    else await this.file.forget();
  }

  private async rotate(actor: Actor, overlapSeconds: number): Promise<Rotation & { readonly file: string }> {
    await this.settle();
    const { secret, ...made } = this.mint.passphrase();
    await this.file.prepare(secret);
    const rotation = await this.change(actor, {}, (held) =>
      rotatePassphrase(actor, overlapSeconds, this.named(made), held),
    );
    return { ...rotation, file: await this.file.putInPlace() };
  }

  private change<A>(
    actor: Actor,
    about: { readonly name?: string; readonly keyId?: string },
    decide: (held: HeldKeys) => KeyDecision<A>,
  ): Promise<A> {
    return this.ring.change(actor, about, (held) => {
      callerMustBeIn(held);
      return decide(held);
    });
  }

  private named(made: Omit<MadeSecret, 'id'>): MadeSecret {
    return { id: this.identifiers.at(this.clock.now()), ...made };
  }

  private pageOf<Item>(found: readonly Item[], limit: number, identity: (item: Item) => string): KeyPage<Item> {
    const items = found.slice(0, limit);
    const last = items.at(-1);
    return { items, next: found.length > limit && last ? identity(last) : null, asOf: this.clock.now() };
  }
}
