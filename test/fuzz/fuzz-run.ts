import { setTimeout as pause } from 'node:timers/promises';
import { TestSite } from '../support/test-site.js';
import { answerFaults, SECRET } from './answer-faults.js';
import { operationOf } from './contract.js';
import { Draw } from './draw.js';
import { shown, type FuzzAnswer, type FuzzRequest } from './fuzz-request.js';
import { heapInUseMiB } from './heap.js';
import { RequestMaker } from './request-maker.js';
import { CutShort, Sender } from './senders.js';
import { Shadow } from './shadow.js';
import { World } from './world.js';

export interface FuzzOrder {
  readonly requests: number;
  readonly seed: number;
  readonly inFlight: number;
}

/** Sections after which everything is compared with the tables: five at least, since memory is measured after the first, third and fifth fifth. */
const FIFTHS = 5;
const LARGEST_SECTION = 20_000;
/** Before so many requests time passes; while they are under way jobs run; after them the log is looked at. */
const BATCH = 400;
const LONGEST_STEP_SECONDS = 200;
const LARGEST_GROWTH_MIB = 32;
/** The replica that gives up on half a request soon, so that a run need not wait for it. */
const PATIENT_FOR_LESS = 1;
const SHORT_REQUEST_TIMEOUT_MS = 2_000;
/** Faults that differ in their ids and numbers alone are shown once. */
const MOST_FAULTS_SHOWN = 40;
const IDS_AND_NUMBERS = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+/gi;
const LONGEST_CLOSING_MS = 10_000;

export interface FuzzOutcome {
  /** One of each kind, with the first request that showed it. */
  readonly faults: readonly string[];
  readonly summary: string;
}

/** One run: requests of all kinds against two replicas, and everything that must hold of the answers and of what they left behind. */
export class FuzzRun {
  private readonly faults = new Map<string, { readonly first: string; times: number }>();
  private faultCount = 0;
  private readonly statuses = new Map<string, number>();
  private readonly heaps: number[] = [];
  private cutShort = 0;
  private next = 1;

  private constructor(
    private readonly order: FuzzOrder,
    private readonly site: TestSite,
    private readonly senders: readonly Sender[],
    private readonly maker: RequestMaker,
    private readonly shadow: Shadow,
  ) {}

  static async of(order: FuzzOrder): Promise<FuzzOutcome> {
    const site = await TestSite.open();
    try {
      await site.addReplicaWith({ requestTimeoutMs: SHORT_REQUEST_TIMEOUT_MS });
      const world = await World.of(site, new Draw(order.seed));
      const shadow = await Shadow.of(site, world);
      const urls = await Promise.all(site.replicas.map(({ http }) => http.getUrl()));
      const senders = urls.map((url) => new Sender(url, Math.ceil(order.inFlight / urls.length)));
      return await new FuzzRun(order, site, senders, new RequestMaker(order.seed, world), shadow).run();
    } finally {
      await site.close();
    }
  }

  private async run(): Promise<FuzzOutcome> {
    const { requests } = this.order;
    const sections = FIFTHS * Math.ceil(requests / (FIFTHS * LARGEST_SECTION));
    const began = performance.now();
    for (let section = 1; section <= sections; section += 1) {
      const last = Math.round((requests * section) / sections);
      while (this.next <= last) await this.batch(Math.min(last, this.next + BATCH - 1));
      this.addFaults(await this.shadow.sectionFaults());
      if ([1, 3, 5].includes((section * FIFTHS) / sections)) this.heaps.push(heapInUseMiB());
    }
    const seconds = (performance.now() - began) / 1000;
    this.addFaults(await this.shadow.runFaults());
    await this.close();
    const [first = 0, ...later] = this.heaps;
    for (const heap of later)
      if (heap > first + LARGEST_GROWTH_MIB)
        this.addFaults([
          `the heap grew from ${first.toFixed(1)} to ${heap.toFixed(1)} MiB; at most ${LARGEST_GROWTH_MIB} MiB are allowed`,
        ]);
    return {
      faults: [...this.faults.values()].map(({ first, times }) =>
        times === 1 ? first : `${first}\n  and ${times - 1} more like it`,
      ),
      summary: this.summary(seconds),
    };
  }

  /** Time passes while no request is under way: to one that waits for a lock, a leap would be a database that does not answer. */
  private async batch(last: number): Promise<void> {
    await this.site.pass(new Draw(this.order.seed + last).integer(1, LONGEST_STEP_SECONDS));
    await Promise.all([this.jobs(), ...Array.from({ length: this.order.inFlight }, () => this.sendUpTo(last))]);
    this.readLogs();
  }

  private async sendUpTo(last: number): Promise<void> {
    while (this.next <= last) {
      const number = this.next;
      this.next += 1;
      const request = this.maker.request(number);
      const faults = await this.faultsOf(request).catch((error: unknown) => [
        String(error instanceof Error && error.stack ? error.stack : error),
      ]);
      this.addFaults(faults, `\n  to ${shown(request)}`);
    }
  }

  private async faultsOf(request: FuzzRequest): Promise<string[]> {
    const replica = request.wire?.then === 'stays' ? PATIENT_FOR_LESS : request.number % this.senders.length;
    try {
      const answers = await this.senders[replica]!.answersTo(request);
      if (!request.wire && answers.length !== 1) return [`${answers.length} answers`];
      return answers.flatMap((answer) => this.judged(request, answer));
    } catch (error) {
      if (!(error instanceof CutShort)) throw error;
      this.cutShort += 1;
      return [];
    }
  }

  private judged(request: FuzzRequest, answer: FuzzAnswer): string[] {
    const operation = request.wire ? null : operationOf(request.method, request.target);
    const family = `${Math.floor(answer.status / 100)}xx`;
    this.statuses.set(family, (this.statuses.get(family) ?? 0) + 1);
    const faults = answerFaults(request, answer, operation).map(
      (fault) => fault + (answer.status >= 500 ? this.logOf(answer) : ''),
    );
    this.shadow.note(request, answer, operation);
    return faults;
  }

  private logOf({ headers }: FuzzAnswer): string {
    const lines = this.site.log.filter((line) => line.includes(String(headers['x-request-id'])));
    return lines.map((line) => `\n  log: ${line.trim()}`).join('');
  }

  private async jobs(): Promise<void> {
    for (const { cleanUp, keys } of this.site.replicas) {
      await cleanUp.pass();
      await keys.noteUses();
    }
  }

  /** Nothing in the log is an error or shows a secret. It is emptied, for a run is long. */
  private readLogs(): void {
    for (const line of this.site.log.splice(0)) {
      if ((JSON.parse(line) as { level: number }).level >= 50) this.addFaults([`logged as an error: ${line}`]);
      if (line.match(SECRET)) this.addFaults([`a secret in the log: ${line}`]);
    }
  }

  /** The clients leave; then no connection and no heartbeat may be left at the server. */
  private async close(): Promise<void> {
    for (const sender of this.senders) await sender.close();
    const left = async (): Promise<number> => {
      const counts = await Promise.all(
        this.site.replicas.map(
          ({ http }) =>
            new Promise<number>((resolve) =>
              http.getHttpServer().getConnections((_error: unknown, count: number) => resolve(count)),
            ),
        ),
      );
      return (
        counts.reduce((sum, count) => sum + count, 0) +
        this.site.replicas.reduce((sum, { receiver }) => sum + receiver.queueLength, 0)
      );
    };
    for (const end = performance.now() + LONGEST_CLOSING_MS; (await left()) > 0 && performance.now() < end;)
      await pause(50);
    const still = await left();
    if (still > 0)
      this.addFaults([`${still} connections or heartbeats are left at the server after all clients have gone`]);
  }

  private addFaults(faults: readonly string[], about = ''): void {
    this.faultCount += faults.length;
    for (const fault of faults) {
      const alike = fault.replace(IDS_AND_NUMBERS, '#').slice(0, 200);
      const known = this.faults.get(alike);
      if (known) known.times += 1;
      else if (this.faults.size < MOST_FAULTS_SHOWN) this.faults.set(alike, { first: fault + about, times: 1 });
    }
  }

  private summary(seconds: number): string {
    const { requests, seed, inFlight } = this.order;
    const statuses = [...this.statuses].sort().map(([family, count]) => `${family} ${count}`);
    const accepted = Object.entries(this.shadow.accepted).map(([family, count]) => `${family} ${count}`);
    return [
      `fuzz: ${requests} requests (${inFlight} in flight) in ${seconds.toFixed(1)} s, ${Math.round(requests / seconds)}/s`,
      `answers ${statuses.join(', ')}; ${this.cutShort} cut short`,
      `accepted ${accepted.join(', ')}`,
      `heap after 20, 60 and 100 %: ${this.heaps.map((heap) => heap.toFixed(1)).join(', ')} MiB`,
      `${this.faultCount} faults`,
      `seed ${seed}`,
    ].join('; ');
  }
}
