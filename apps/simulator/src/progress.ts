import type { ConfigurationServerClient } from '@app/wire';
import type { Tally } from './tally.js';

const LINE_EVERY_MS = 1_000;

/** Says every second how the fleet fares: one line that is written over and over on a terminal, line by line elsewhere. */
export class Progress {
  private readonly startedAt = performance.now();
  private readonly timer = setInterval(() => void this.say(), LINE_EVERY_MS);
  private beatsSaid = 0;
  private saidAt = this.startedAt;

  constructor(
    private readonly client: ConfigurationServerClient,
    /** API key of a reader; null: the fleet's own counts are left out. */
    private readonly key: string | null,
    private readonly tally: Tally,
    private readonly print: (text: string) => void,
  ) {}

  async end(): Promise<void> {
    clearInterval(this.timer);
    await this.say();
    this.print('\n');
  }

  private async say(): Promise<void> {
    const connections = await this.connections();
    const now = performance.now();
    const beats = this.tally.total('beats');
    const beatsPerSecond = ((beats - this.beatsSaid) * 1000) / Math.max(1, now - this.saidAt);
    this.beatsSaid = beats;
    this.saidAt = now;
    const elapsed = ((now - this.startedAt) / 1000).toFixed(0).padStart(4);
    const line = `${elapsed} s  ${this.tally.total('registered')} registrations${connections}, ${beatsPerSecond.toFixed(0)} beats/s, p99 ${this.tally.latencyMs(0.99).toFixed(0)} ms, ${this.tally.refusals} refused`;
    this.print(process.stdout.isTTY ? `\r\x1b[2K${line}` : `${line}\n`);
  }

  /** The server may be busy or away: then its counts are left out of this line. */
  private async connections(): Promise<string> {
    if (this.key === null) return '';
    const fleet = await this.client.fleet(this.key).catch(() => null);
    return fleet
      ? `, ${fleet.connectionState.Connected} connected, ${fleet.connectionState.Disconnected} disconnected`
      : '';
  }
}
