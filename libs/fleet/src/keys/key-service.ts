import {
  assertCallerKeyValid,
  createApiKey,
  keyListingDecision,
  revokeApiKey,
  rotatePassphrase,
  type ApiKey,
  type CreateApiKeyCommand,
  type KeyRingSnapshot,
  type KeyDecision,
  type GeneratedSecret,
  type Passphrase,
  type Rotation,
} from './key-ring.js';
import type { Clock, Identifiers, KeyRing, PassphraseFile, SecretGenerator } from '../ports.js';
import type { Actor } from '../process-server.js';

export interface KeyPage<Item> {
  readonly items: readonly Item[];
  /** The id after which the next page begins; null on the last page. */
  readonly next: string | null;
  readonly asOf: Date;
}

/** Creates, lists and revokes API keys, and rotates the passphrase. */
export class KeyService {
  private rotating: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly ring: KeyRing,
    private readonly generator: SecretGenerator,
    private readonly file: PassphraseFile,
    private readonly identifiers: Identifiers,
    private readonly clock: Clock,
    /** The default validity of an earlier passphrase after a rotation. */
    private readonly overlapSeconds: number,
  ) {}

  /** Returns the key once. @throws FleetError as `createApiKey`. */
  async createApiKey(command: CreateApiKeyCommand): Promise<{ readonly apiKey: ApiKey; readonly key: string }> {
    const { secret, ...generated } = this.generator.apiKey();
    const apiKey = await this.change(command.actor, { name: command.name }, (snapshot) =>
      createApiKey(command, this.withId(generated), snapshot),
    );
    return { apiKey, key: secret };
  }

  /** @throws FleetError as `revokeApiKey`. */
  revokeApiKey(keyId: string, actor: Actor): Promise<ApiKey> {
    return this.change(actor, { keyId }, (snapshot) => revokeApiKey(actor, snapshot));
  }

  /** Lists API keys in order of creation; the listing is recorded in the audit log. */
  async apiKeys(actor: Actor, limit: number, after: string | null): Promise<KeyPage<ApiKey>> {
    await this.change(actor, {}, () => keyListingDecision('api_keys_listed', actor));
    return this.toPage(await this.ring.apiKeys(limit + 1, after), limit, ({ keyId }) => keyId);
  }

  async passphrases(actor: Actor, limit: number, after: string | null): Promise<KeyPage<Passphrase>> {
    await this.change(actor, {}, () => keyListingDecision('passphrases_listed', actor));
    return this.toPage(await this.ring.passphrases(limit + 1, after), limit, ({ passphraseId }) => passphraseId);
  }

  /**
   * Creates a new passphrase and writes it to the passphrase file; no response includes it. The file is durable before
   * the passphrase is valid. Rotations run one at a time, because there is one file.
   */
  rotatePassphrase(actor: Actor, overlapSeconds: number | null): Promise<Rotation & { readonly file: string }> {
    return this.serialize(() => this.rotate(actor, overlapSeconds ?? this.overlapSeconds));
  }

  /** Completes or discards a rotation with an unknown outcome: the file must not keep an invalid passphrase. */
  recoverRotation(): Promise<void> {
    return this.serialize(() => this.recover());
  }

  private serialize<A>(work: () => Promise<A>): Promise<A> {
    const finished = this.rotating.then(work);
    this.rotating = finished.catch(() => undefined);
    return finished;
  }

  private async recover(): Promise<void> {
    const stagedHash = await this.file.stagedHash();
    if (stagedHash === null) return;
    if (await this.ring.isValidPassphrase(stagedHash)) await this.file.commit();
    else await this.file.discard();
  }

  private async rotate(actor: Actor, overlapSeconds: number): Promise<Rotation & { readonly file: string }> {
    await this.recover();
    const { secret, ...generated } = this.generator.passphrase();
    await this.file.stage(secret);
    const rotation = await this.change(actor, {}, (snapshot) =>
      rotatePassphrase(actor, overlapSeconds, this.withId(generated), snapshot),
    );
    return { ...rotation, file: await this.file.commit() };
  }

  private change<A>(
    actor: Actor,
    selector: { readonly name?: string; readonly keyId?: string },
    decide: (snapshot: KeyRingSnapshot) => KeyDecision<A>,
  ): Promise<A> {
    return this.ring.change(actor, selector, (snapshot) => {
      assertCallerKeyValid(snapshot);
      return decide(snapshot);
    });
  }

  private withId(generated: Omit<GeneratedSecret, 'id'>): GeneratedSecret {
    return { id: this.identifiers.newId(this.clock.now()), ...generated };
  }

  private toPage<Item>(found: readonly Item[], limit: number, identity: (item: Item) => string): KeyPage<Item> {
    const items = found.slice(0, limit);
    const last = items.at(-1);
    return { items, next: found.length > limit && last ? identity(last) : null, asOf: this.clock.now() };
  }
}
