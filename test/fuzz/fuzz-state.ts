import type { Role } from '@app/fleet';
import { newApiKey, newPassphrase } from '@app/platform';
import type { TestCluster } from '../support/test-cluster.js';
import type { RandomSource } from './random-source.js';

/** Host ids that the requests reuse; a few more are generated during the run. */
const HOSTS = 300;
/** The number of newest plans, keys and pages that are remembered. */
const MAX_REMEMBERED = 200;
/** Requests use this many of the newest: the subject of a request in flight must still be remembered at its response. */
export const ACTIVE_WINDOW = 100;

export interface Registration {
  readonly hostId: string;
  readonly generation: number;
  readonly credential: string;
}

/** A process server as its agent knows it: the newest registration, and an earlier one. */
export interface Host {
  readonly hostId: string;
  readonly machineId: string;
  latest: Registration | null;
  retired: Registration | null;
  /** Credentials of this and earlier generations are invalid: replaced, revoked or purged. */
  endedGeneration: number;
}

interface CreatedKey {
  readonly keyId: string;
  readonly role: Role;
  readonly key: string;
  readonly expiresAt: Date | null;
  isRevoked: boolean;
}

export interface Plan {
  readonly planId: string;
  readonly generations: ReadonlyMap<string, number>;
}

export interface Caller {
  readonly name: string;
  readonly authorization: string | null;
  /** The permissions, as named in `openapi.json`. */
  readonly permissions: readonly string[];
  readonly credentialOf?: Registration;
  /** Its credential is known to be invalid. */
  readonly isRetired?: boolean;
}

const PERMISSIONS_BY_ROLE: Readonly<Record<Role, readonly string[]>> = {
  reader: ['reader', 'passphrase_or_reader'],
  operator: ['reader', 'passphrase_or_reader', 'operator', 'process_server_or_operator'],
  admin: ['reader', 'passphrase_or_reader', 'operator', 'process_server_or_operator', 'admin'],
};
const WITH_PASSPHRASE: readonly string[] = ['passphrase', 'preflight', 'passphrase_or_reader'];
const NO_PERMISSIONS: readonly string[] = [];

const bearer = (token: string): string => `Bearer ${token}`;

/** The knowledge of the callers: learnt from responses, limited to the newest. */
export class FuzzState {
  readonly hosts: Host[];
  readonly plans: Plan[] = [];
  readonly passphraseIds: string[] = [];
  /** Keys created during the run, by id, without those of the test itself. */
  readonly keyIds: string[] = [];
  /** Paths with the cursor of a next page. */
  readonly nextPages: string[] = [];
  private readonly createdKeys: CreatedKey[] = [];
  /** The expiry of the initial passphrase, as far as responses have shown it. */
  private firstPassphraseUntil = new Date(8.64e15);

  private constructor(
    private readonly cluster: TestCluster,
    random: RandomSource,
    private readonly ownKeys: Readonly<Record<Role | 'expired' | 'revoked', string>>,
  ) {
    this.hosts = Array.from({ length: HOSTS }, (_, number) => ({
      hostId: random.uuid(),
      machineId: `machine-${number}`,
      latest: null,
      retired: null,
      endedGeneration: 0,
    }));
  }

  static async of(cluster: TestCluster, random: RandomSource): Promise<FuzzState> {
    const createKey = async (
      name: string,
      over: object = {},
    ): Promise<{ readonly keyId: string; readonly key: string }> => {
      const { status, body } = await cluster.call<{ keyId: string; key: string }>('POST', '/v1/api-keys', {
        body: { name, role: 'admin', ...over },
        authorization: cluster.admin,
      });
      if (status !== 201) throw new Error(`no key was created: ${status} ${JSON.stringify(body)}`);
      return body;
    };
    const expired = await createKey('expired', {
      expiresAt: new Date(cluster.clock.now().getTime() + 1_000).toISOString(),
    });
    const revoked = await createKey('revoked');
    await cluster.call('DELETE', `/v1/api-keys/${revoked.keyId}`, { authorization: cluster.admin });
    await cluster.advance(2);
    return new FuzzState(cluster, random, {
      reader: await cluster.createKey('reader'),
      operator: await cluster.createKey('operator'),
      admin: cluster.admin,
      expired: bearer(expired.key),
      revoked: bearer(revoked.key),
    });
  }

  get now(): Date {
    return this.cluster.clock.now();
  }

  host(random: RandomSource): Host {
    return random.oneOf(this.hosts);
  }

  /** A host that has registered, if a few attempts find one. */
  registered(random: RandomSource): Host {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const host = this.host(random);
      if (host.latest) return host;
    }
    return this.host(random);
  }

  /** A caller with this permission; for a process server, this one. */
  callerFor(permission: string, host: Host, random: RandomSource): Caller {
    switch (permission) {
      case 'passphrase':
      case 'preflight':
        return random.chance(0.15) ? this.callers.firstPassphrase() : this.callers.passphrase();
      case 'passphrase_or_reader':
        return random.chance(0.5) ? this.callers.passphrase() : this.withKey('reader', random);
      case 'process_server':
        return this.callers.credential(host, random);
      case 'process_server_or_operator':
        return random.chance(0.6) ? this.callers.credential(host, random) : this.withKey('operator', random);
      case 'reader':
      case 'operator':
      case 'admin':
        return this.withKey(permission, random);
      default:
        return this.callers.none();
    }
  }

  /** A caller of any kind. */
  anyCaller(host: Host, random: RandomSource): Caller {
    return random.oneOf(Object.values(this.callers))(host, random);
  }

  private readonly callers = {
    none: (): Caller => ({ name: 'none', authorization: null, permissions: NO_PERMISSIONS }),
    garbage: (_host: Host, random: RandomSource): Caller => ({
      name: 'garbage',
      permissions: NO_PERMISSIONS,
      authorization: random.oneOf([
        'x',
        'Bearer',
        'Bearer  ',
        'Basic YTpi',
        'Bearer csk_',
        'bearer psc_x y',
        `Bearer psc_${random.text(90, 'AZaz09-_')}`,
        'Passphrase',
      ]),
    }),
    passphrase: (): Caller => ({ name: 'passphrase', authorization: this.passphrase, permissions: WITH_PASSPHRASE }),
    firstPassphrase: (): Caller => ({
      name: 'first passphrase',
      authorization: this.cluster.passphrase,
      permissions: this.now < this.firstPassphraseUntil ? WITH_PASSPHRASE : NO_PERMISSIONS,
    }),
    wrongPassphrase: (): Caller => ({
      name: 'wrong passphrase',
      authorization: `Passphrase ${newPassphrase()}`,
      permissions: NO_PERMISSIONS,
    }),
    wrongKey: (): Caller => ({ name: 'wrong key', authorization: bearer(newApiKey()), permissions: NO_PERMISSIONS }),
    reader: (): Caller => ({
      name: 'reader',
      authorization: this.ownKeys.reader,
      permissions: PERMISSIONS_BY_ROLE.reader,
    }),
    operator: (): Caller => ({
      name: 'operator',
      authorization: this.ownKeys.operator,
      permissions: PERMISSIONS_BY_ROLE.operator,
    }),
    admin: (): Caller => ({ name: 'admin', authorization: this.ownKeys.admin, permissions: PERMISSIONS_BY_ROLE.admin }),
    expired: (): Caller => ({ name: 'expired key', authorization: this.ownKeys.expired, permissions: NO_PERMISSIONS }),
    revoked: (): Caller => ({ name: 'revoked key', authorization: this.ownKeys.revoked, permissions: NO_PERMISSIONS }),
    credential: ({ latest }: Host, random: RandomSource): Caller => this.withCredential('credential', latest, random),
    otherCredential: (_host: Host, random: RandomSource): Caller =>
      this.withCredential('credential of another server', this.registered(random).latest, random),
    retiredCredential: ({ retired, latest }: Host, random: RandomSource): Caller =>
      this.withCredential('credential of an earlier generation', retired ?? latest, random),
  };

  private withCredential(name: string, registration: Registration | null, random: RandomSource): Caller {
    if (!registration)
      return {
        name: 'forged credential',
        authorization: `Bearer psc_${random.text(91, 'ABCabc019')}`,
        permissions: NO_PERMISSIONS,
      };
    const isRetired = registration.generation <= (this.hostOf(registration.hostId)?.endedGeneration ?? 0);
    return {
      name,
      authorization: bearer(registration.credential),
      permissions: ['process_server', 'process_server_or_operator'],
      credentialOf: registration,
      isRetired,
    };
  }

  private withKey(role: Role, random: RandomSource): Caller {
    const good = ['reader', 'operator', 'admin'].slice(['reader', 'operator', 'admin'].indexOf(role)) as Role[];
    const created = this.createdKeys.filter((key) => good.includes(key.role));
    if (created.length > 0 && random.chance(0.1)) {
      const key = random.oneOf(created);
      const isGood = !key.isRevoked && (key.expiresAt === null || this.now < key.expiresAt);
      return {
        name: `made ${key.role}`,
        authorization: bearer(key.key),
        permissions: isGood ? PERMISSIONS_BY_ROLE[key.role] : NO_PERMISSIONS,
      };
    }
    const own = random.chance(0.6) ? role : random.oneOf(good);
    return { name: own, authorization: this.ownKeys[own], permissions: PERMISSIONS_BY_ROLE[own] };
  }

  private get passphrase(): string {
    const newest = this.cluster.passphraseFile.put.at(-1);
    return newest ? `Passphrase ${newest}` : this.cluster.passphrase;
  }

  plan(planId: string): Plan | undefined {
    return this.plans.find((plan) => plan.planId === planId);
  }

  /** Records an accepted registration. The responses of two may arrive in either order. */
  addRegistration(hostId: string, generation: number, credential: string): void {
    const host = this.hostOf(hostId);
    if (!host) return;
    this.endCredential(hostId, generation - 1);
    const created = { hostId, generation, credential };
    if (!host.latest || host.latest.generation < generation) [host.retired, host.latest] = [host.latest, created];
    else host.retired = created;
  }

  /** Invalidates the credentials of this and earlier generations. */
  endCredential(hostId: string, generation: number): void {
    const host = this.hostOf(hostId);
    if (host) host.endedGeneration = Math.max(host.endedGeneration, generation);
  }

  private hostOf(hostId: string): Host | undefined {
    return this.hosts.find((host) => host.hostId === hostId);
  }

  addPlan(planId: string, candidates: readonly { readonly hostId: string; readonly generation: number }[]): void {
    remember(this.plans, {
      planId,
      generations: new Map(candidates.map(({ hostId, generation }) => [hostId, generation])),
    });
  }

  addKey({
    keyId,
    role,
    key,
    expiresAt,
  }: {
    readonly keyId: string;
    readonly role: Role;
    readonly key: string;
    readonly expiresAt: string | null;
  }): void {
    remember(this.keyIds, keyId);
    remember(this.createdKeys, {
      keyId,
      role,
      key,
      expiresAt: expiresAt === null ? null : new Date(expiresAt),
      isRevoked: false,
    });
  }

  markKeyRevoked(keyId: string): void {
    const created = this.createdKeys.find((key) => key.keyId === keyId);
    if (created) created.isRevoked = true;
  }

  addPassphrase(passphraseId: string, earlierRetireAt: string): void {
    remember(this.passphraseIds, passphraseId);
    const until = new Date(earlierRetireAt);
    if (until < this.firstPassphraseUntil) this.firstPassphraseUntil = until;
    this.cluster.passphraseFile.put.splice(0, this.cluster.passphraseFile.put.length - 1);
  }

  addNextPage(path: string): void {
    remember(this.nextPages, path);
  }
}

function remember<Item>(items: Item[], item: Item): void {
  items.push(item);
  if (items.length > MAX_REMEMBERED) items.shift();
}
