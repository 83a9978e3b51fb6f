import { setTimeout as pause } from 'node:timers/promises';
import { TestCluster } from '../support/test-cluster.js';
import { responseViolations, SECRET } from './response-violations.js';
import { operationOf } from './contract.js';
import { RandomSource } from './random-source.js';
import { shown, type FuzzResponse, type FuzzRequest } from './fuzz-request.js';
import { heapInUseMiB } from './heap.js';
import { RequestGenerator } from './request-generator.js';
import { ResponseCutShort, RequestSender } from './request-sender.js';
import { ExpectedState } from './expected-state.js';
import { FuzzState } from './fuzz-state.js';

export interface FuzzOptions {
  readonly requests: number;
  readonly seed: number;
  readonly inFlight: number;
}

/** The tables are compared after each section. A multiple of five, because memory is measured after the first, third and last fifth. */
const FIFTHS = 5;
const MAX_SECTION_SIZE = 20_000;
/** Before each batch the clock advances; during it the jobs run; after it the log is checked. */
const BATCH = 400;
const MAX_STEP_SECONDS = 200;
const MAX_GROWTH_MIB = 32;
/** The replica with a short request timeout, which keeps the run short when requests stay incomplete. */
const IMPATIENT_REPLICA = 1;
const SHORT_REQUEST_TIMEOUT_MS = 2_000;
/** Violations that differ only in ids and numbers are shown once. */
const MAX_VIOLATIONS_SHOWN = 40;
const IDS_AND_NUMBERS = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+/gi;
const MAX_CLOSING_MS = 10_000;

export interface FuzzOutcome {
  /** One violation of each kind, with the first request that caused it. */
  readonly violations: readonly string[];
  readonly summary: string;
}

/** One run: requests of all kinds against two replicas, with the invariants of the responses and of the stored state. */
export class FuzzRun {
  private readonly violations = new Map<string, { readonly first: string; times: number }>();
  private violationCount = 0;
  private readonly statuses = new Map<string, number>();
  private readonly heaps: number[] = [];
  private cutShort = 0;
  private next = 1;

  private constructor(
    private readonly options: FuzzOptions,
    private readonly cluster: TestCluster,
    private readonly senders: readonly RequestSender[],
    private readonly generator: RequestGenerator,
    private readonly expectedState: ExpectedState,
  ) {}

  static async of(options: FuzzOptions): Promise<FuzzOutcome> {
    const cluster = await TestCluster.open();
    try {
      await cluster.addReplicaWith({ requestTimeoutMs: SHORT_REQUEST_TIMEOUT_MS });
      const state = await FuzzState.of(cluster, new RandomSource(options.seed));
      const expectedState = await ExpectedState.of(cluster, state);
      const urls = await Promise.all(cluster.replicas.map(({ http }) => http.getUrl()));
      const senders = urls.map((url) => new RequestSender(url, Math.ceil(options.inFlight / urls.length)));
      return await new FuzzRun(
        options,
        cluster,
        senders,
        new RequestGenerator(options.seed, state),
        expectedState,
      ).run();
    } finally {
      await cluster.close();
    }
  }

  private async run(): Promise<FuzzOutcome> {
    const { requests } = this.options;
    const sections = FIFTHS * Math.ceil(requests / (FIFTHS * MAX_SECTION_SIZE));
    const startedAtMs = performance.now();
    for (let section = 1; section <= sections; section += 1) {
      const last = Math.round((requests * section) / sections);
      while (this.next <= last) await this.batch(Math.min(last, this.next + BATCH - 1));
      this.addViolations(await this.expectedState.sectionViolations());
      if ([1, 3, 5].includes((section * FIFTHS) / sections)) this.heaps.push(heapInUseMiB());
    }
    const seconds = (performance.now() - startedAtMs) / 1000;
    this.addViolations(await this.expectedState.runViolations());
    await this.close();
    const [first = 0, ...later] = this.heaps;
    for (const heap of later)
      if (heap > first + MAX_GROWTH_MIB)
        this.addViolations([
          `the heap grew from ${first.toFixed(1)} to ${heap.toFixed(1)} MiB; at most ${MAX_GROWTH_MIB} MiB are allowed`,
        ]);
    return {
      violations: [...this.violations.values()].map(({ first, times }) =>
        times === 1 ? first : `${first}\n  and ${times - 1} more like it`,
      ),
      summary: this.summary(seconds),
    };
  }

  /** Advances the clock while no request is in flight, because a request waiting for a lock would time out. */
  private async batch(last: number): Promise<void> {
    await this.cluster.advance(new RandomSource(this.options.seed + last).integer(1, MAX_STEP_SECONDS));
    await Promise.all([this.jobs(), ...Array.from({ length: this.options.inFlight }, () => this.sendUpTo(last))]);
    this.readLogs();
  }

  private async sendUpTo(last: number): Promise<void> {
    while (this.next <= last) {
      const number = this.next;
      this.next += 1;
      const request = this.generator.request(number);
      const violations = await this.violationsOf(request).catch((error: unknown) => [
        String(error instanceof Error && error.stack ? error.stack : error),
      ]);
      this.addViolations(violations, `\n  to ${shown(request)}`);
    }
  }

  private async violationsOf(request: FuzzRequest): Promise<string[]> {
    const replica = request.wire?.then === 'stays' ? IMPATIENT_REPLICA : request.number % this.senders.length;
    try {
      const responses = await this.senders[replica]!.responsesTo(request);
      if (!request.wire && responses.length !== 1) return [`${responses.length} responses`];
      return responses.flatMap((response) => this.check(request, response));
    } catch (error) {
      if (!(error instanceof ResponseCutShort)) throw error;
      this.cutShort += 1;
      return [];
    }
  }

  private check(request: FuzzRequest, response: FuzzResponse): string[] {
    const operation = request.wire ? null : operationOf(request.method, request.target);
    const family = `${Math.floor(response.status / 100)}xx`;
    this.statuses.set(family, (this.statuses.get(family) ?? 0) + 1);
    const violations = responseViolations(request, response, operation).map(
      (violation) => violation + (response.status >= 500 ? this.logOf(response) : ''),
    );
    this.expectedState.record(request, response, operation);
    return violations;
  }

  private logOf({ headers }: FuzzResponse): string {
    const lines = this.cluster.log.filter((line) => line.includes(String(headers['x-request-id'])));
    return lines.map((line) => `\n  log: ${line.trim()}`).join('');
  }

  private async jobs(): Promise<void> {
    for (const { cleanUp, keys } of this.cluster.replicas) {
      await cleanUp.run();
      await keys.flushKeyUsage();
    }
  }

  /** The log contains no error and no secret. It is emptied to bound the memory of a long run. */
  private readLogs(): void {
    for (const line of this.cluster.log.splice(0)) {
      if ((JSON.parse(line) as { level: number }).level >= 50) this.addViolations([`logged as an error: ${line}`]);
      if (line.match(SECRET)) this.addViolations([`a secret in the log: ${line}`]);
    }
  }

  /** Closes the clients, and verifies that the server has no connection and no heartbeat left. */
  private async close(): Promise<void> {
    for (const requestSender of this.senders) await requestSender.close();
    const left = async (): Promise<number> => {
      const counts = await Promise.all(
        this.cluster.replicas.map(
          ({ http }) =>
            new Promise<number>((resolve) =>
              http.getHttpServer().getConnections((_error: unknown, count: number) => resolve(count)),
            ),
        ),
      );
      return (
        counts.reduce((sum, count) => sum + count, 0) +
        this.cluster.replicas.reduce((sum, { receiver }) => sum + receiver.queueLength, 0)
      );
    };
    for (const end = performance.now() + MAX_CLOSING_MS; (await left()) > 0 && performance.now() < end;)
      await pause(50);
    const still = await left();
    if (still > 0)
      this.addViolations([`${still} connections or heartbeats are left at the server after all clients have gone`]);
  }

  private addViolations(violations: readonly string[], about = ''): void {
    this.violationCount += violations.length;
    for (const violation of violations) {
      const alike = violation.replace(IDS_AND_NUMBERS, '#').slice(0, 200);
      const known = this.violations.get(alike);
      if (known) known.times += 1;
      else if (this.violations.size < MAX_VIOLATIONS_SHOWN)
        this.violations.set(alike, { first: violation + about, times: 1 });
    }
  }

  private summary(seconds: number): string {
    const { requests, seed, inFlight } = this.options;
    const statuses = [...this.statuses].sort().map(([family, count]) => `${family} ${count}`);
    const accepted = Object.entries(this.expectedState.accepted).map(([family, count]) => `${family} ${count}`);
    return [
      `fuzz: ${requests} requests (${inFlight} in flight) in ${seconds.toFixed(1)} s, ${Math.round(requests / seconds)}/s`,
      `responses ${statuses.join(', ')}; ${this.cutShort} truncated`,
      `accepted ${accepted.join(', ')}`,
      `heap after 20, 60 and 100 %: ${this.heaps.map((heap) => heap.toFixed(1)).join(', ')} MiB`,
      `${this.violationCount} violations`,
      `seed ${seed}`,
    ].join('; ');
  }
}
