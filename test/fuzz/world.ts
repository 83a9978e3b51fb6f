import type { Role } from '@app/fleet';
import { newApiKey, newPassphrase } from '@app/platform';
import type { TestSite } from '../support/test-site.js';
import type { Draw } from './draw.js';

/** Host ids that come again and again; a few more are made up on the way. */
const HOSTS = 300;
/** Of what comes and goes, so many of the newest are remembered. */
const REMEMBERED = 200;
/** Requests are about so many of the newest: one that is under way must still be remembered when its answer comes. */
export const ASKED_ABOUT = 100;

export interface Registration {
  readonly hostId: string;
  readonly generation: number;
  readonly credential: string;
}

/** A process server as its agent knows it: the newest registration, and one before it. */
export interface Host {
  readonly hostId: string;
  readonly machineId: string;
  latest: Registration | null;
  retired: Registration | null;
  /** No credential of this or an earlier generation is good for anything any more: another came after it, or it was revoked or purged. */
  endedGeneration: number;
}

interface MadeKey {
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
  /** What it may do, as `openapi.json` names permissions. */
  readonly may: readonly string[];
  readonly credentialOf?: Registration;
  /** Its credential is known to be good for nothing any more. */
  readonly isRetired?: boolean;
}

const MAY: Readonly<Record<Role, readonly string[]>> = {
  reader: ['reader'],
  operator: ['reader', 'operator', 'process_server_or_operator'],
  admin: ['reader', 'operator', 'process_server_or_operator', 'admin'],
};
const NOTHING: readonly string[] = [];

const bearer = (token: string): string => `Bearer ${token}`;

/** What the callers know: learnt from answers, and never more than the newest of it. */
export class World {
  readonly hosts: Host[];
  readonly plans: Plan[] = [];
  readonly passphraseIds: string[] = [];
  /** Keys that were made on the way, by identity; the harness's own are not among them. */
  readonly keyIds: string[] = [];
  /** Paths with a cursor that leads to a next page. */
  readonly nextPages: string[] = [];
  private readonly madeKeys: MadeKey[] = [];
  /** When the passphrase that the site began with lets nobody in any more, as far as answers have told. */
  private firstPassphraseUntil = new Date(8.64e15);

  private constructor(
    private readonly site: TestSite,
    draw: Draw,
    private readonly ownKeys: Readonly<Record<Role | 'expired' | 'revoked', string>>,
  ) {
    this.hosts = Array.from({ length: HOSTS }, (_, number) => ({
      hostId: draw.uuid(),
      machineId: `machine-${number}`,
      latest: null,
      retired: null,
      endedGeneration: 0,
    }));
  }

  static async of(site: TestSite, draw: Draw): Promise<World> {
    const make = async (name: string, over: object = {}): Promise<{ readonly keyId: string; readonly key: string }> => {
      const { status, body } = await site.call<{ keyId: string; key: string }>('POST', '/v1/api-keys', {
        body: { name, role: 'admin', ...over },
        authorization: site.admin,
      });
      if (status !== 201) throw new Error(`no key was made: ${status} ${JSON.stringify(body)}`);
      return body;
    };
    const expired = await make('expired', { expiresAt: new Date(site.clock.now().getTime() + 1_000).toISOString() });
    const revoked = await make('revoked');
    await site.call('DELETE', `/v1/api-keys/${revoked.keyId}`, { authorization: site.admin });
    await site.pass(2);
    return new World(site, draw, {
      reader: await site.keyOf('reader'),
      operator: await site.keyOf('operator'),
      admin: site.admin,
      expired: bearer(expired.key),
      revoked: bearer(revoked.key),
    });
  }

  get now(): Date {
    return this.site.clock.now();
  }

  host(draw: Draw): Host {
    return draw.oneOf(this.hosts);
  }

  /** One that has registered, when a few looks find one. */
  registered(draw: Draw): Host {
    for (let look = 0; look < 5; look += 1) {
      const host = this.host(draw);
      if (host.latest) return host;
    }
    return this.host(draw);
  }

  /** Who may do what asks for this permission; of a process server, this one. */
  callerFor(permission: string, host: Host, draw: Draw): Caller {
    switch (permission) {
      case 'passphrase':
        return draw.chance(0.15) ? this.callers.firstPassphrase() : this.callers.passphrase();
      case 'process_server':
        return this.callers.credential(host, draw);
      case 'process_server_or_operator':
        return draw.chance(0.6) ? this.callers.credential(host, draw) : this.withKey('operator', draw);
      case 'reader':
      case 'operator':
      case 'admin':
        return this.withKey(permission, draw);
      default:
        return this.callers.none();
    }
  }

  /** Any caller at all. */
  anyCaller(host: Host, draw: Draw): Caller {
    return draw.oneOf(Object.values(this.callers))(host, draw);
  }

  private readonly callers = {
    none: (): Caller => ({ name: 'none', authorization: null, may: NOTHING }),
    garbage: (_host: Host, draw: Draw): Caller => ({
      name: 'garbage',
      may: NOTHING,
      authorization: draw.oneOf([
        'x',
        'Bearer',
        'Bearer  ',
        'Basic YTpi',
        'Bearer csk_',
        'bearer psc_x y',
        `Bearer psc_${draw.text(90, 'AZaz09-_')}`,
        'Passphrase',
      ]),
    }),
    passphrase: (): Caller => ({ name: 'passphrase', authorization: this.passphrase, may: ['passphrase'] }),
    firstPassphrase: (): Caller => ({
      name: 'first passphrase',
      authorization: this.site.passphrase,
      may: this.now < this.firstPassphraseUntil ? ['passphrase'] : NOTHING,
    }),
    wrongPassphrase: (): Caller => ({
      name: 'wrong passphrase',
      authorization: `Passphrase ${newPassphrase()}`,
      may: NOTHING,
    }),
    wrongKey: (): Caller => ({ name: 'wrong key', authorization: bearer(newApiKey()), may: NOTHING }),
    reader: (): Caller => ({ name: 'reader', authorization: this.ownKeys.reader, may: MAY.reader }),
    operator: (): Caller => ({ name: 'operator', authorization: this.ownKeys.operator, may: MAY.operator }),
    admin: (): Caller => ({ name: 'admin', authorization: this.ownKeys.admin, may: MAY.admin }),
    expired: (): Caller => ({ name: 'expired key', authorization: this.ownKeys.expired, may: NOTHING }),
    revoked: (): Caller => ({ name: 'revoked key', authorization: this.ownKeys.revoked, may: NOTHING }),
    credential: ({ latest }: Host, draw: Draw): Caller => this.withCredential('credential', latest, draw),
    otherCredential: (_host: Host, draw: Draw): Caller =>
      this.withCredential('credential of another server', this.registered(draw).latest, draw),
    retiredCredential: ({ retired, latest }: Host, draw: Draw): Caller =>
      this.withCredential('credential of an earlier generation', retired ?? latest, draw),
  };

  private withCredential(name: string, registration: Registration | null, draw: Draw): Caller {
    if (!registration)
      return { name: 'forged credential', authorization: `Bearer psc_${draw.text(91, 'ABCabc019')}`, may: NOTHING };
    const isRetired = registration.generation <= (this.hostOf(registration.hostId)?.endedGeneration ?? 0);
    return {
      name,
      authorization: bearer(registration.credential),
      may: ['process_server', 'process_server_or_operator'],
      credentialOf: registration,
      isRetired,
    };
  }

  private withKey(role: Role, draw: Draw): Caller {
    const good = ['reader', 'operator', 'admin'].slice(['reader', 'operator', 'admin'].indexOf(role)) as Role[];
    const made = this.madeKeys.filter((key) => good.includes(key.role));
    if (made.length > 0 && draw.chance(0.1)) {
      const key = draw.oneOf(made);
      const isGood = !key.isRevoked && (key.expiresAt === null || this.now < key.expiresAt);
      return { name: `made ${key.role}`, authorization: bearer(key.key), may: isGood ? MAY[key.role] : NOTHING };
    }
    const own = draw.chance(0.6) ? role : draw.oneOf(good);
    return { name: own, authorization: this.ownKeys[own], may: MAY[own] };
  }

  private get passphrase(): string {
    const newest = this.site.passphraseFile.put.at(-1);
    return newest ? `Passphrase ${newest}` : this.site.passphrase;
  }

  plan(planId: string): Plan | undefined {
    return this.plans.find((plan) => plan.planId === planId);
  }

  /** A registration that was accepted. The answers of two may come in either order. */
  registeredAs(hostId: string, generation: number, credential: string): void {
    const host = this.hostOf(hostId);
    if (!host) return;
    this.credentialEnded(hostId, generation - 1);
    const made = { hostId, generation, credential };
    if (!host.latest || host.latest.generation < generation) [host.retired, host.latest] = [host.latest, made];
    else host.retired = made;
  }

  /** That of this generation, and so those before it. */
  credentialEnded(hostId: string, generation: number): void {
    const host = this.hostOf(hostId);
    if (host) host.endedGeneration = Math.max(host.endedGeneration, generation);
  }

  private hostOf(hostId: string): Host | undefined {
    return this.hosts.find((host) => host.hostId === hostId);
  }

  planned(planId: string, candidates: readonly { readonly hostId: string; readonly generation: number }[]): void {
    remember(this.plans, {
      planId,
      generations: new Map(candidates.map(({ hostId, generation }) => [hostId, generation])),
    });
  }

  keyMade({
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
    remember(this.madeKeys, {
      keyId,
      role,
      key,
      expiresAt: expiresAt === null ? null : new Date(expiresAt),
      isRevoked: false,
    });
  }

  keyRevoked(keyId: string): void {
    const made = this.madeKeys.find((key) => key.keyId === keyId);
    if (made) made.isRevoked = true;
  }

  rotated(passphraseId: string, earlierRetireAt: string): void {
    remember(this.passphraseIds, passphraseId);
    const until = new Date(earlierRetireAt);
    if (until < this.firstPassphraseUntil) this.firstPassphraseUntil = until;
    this.site.passphraseFile.put.splice(0, this.site.passphraseFile.put.length - 1);
  }

  pageFollows(path: string): void {
    remember(this.nextPages, path);
  }
}

function remember<Item>(items: Item[], item: Item): void {
  items.push(item);
  if (items.length > REMEMBERED) items.shift();
}
