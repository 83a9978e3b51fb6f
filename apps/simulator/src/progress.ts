import type { ConfigurationServerClient } from '@app/api-client';
import type { CallStatistics } from './call-statistics.js';

const PRINT_INTERVAL_MS = 1_000;

/** Prints the state of the fleet every second: one line that is overwritten on a terminal, otherwise line by line. */
export class Progress {
  private readonly startedAt = performance.now();
  private readonly timer = setInterval(() => void this.printStatus(), PRINT_INTERVAL_MS);
  private heartbeatsPrinted = 0;
  private printedAt = this.startedAt;

  constructor(
    private readonly client: ConfigurationServerClient,
    /** API key of a reader; null: the counts of the whole fleet are not shown. */
    private readonly key: string | null,
    private readonly statistics: CallStatistics,
    private readonly print: (text: string) => void,
  ) {}

  async end(): Promise<void> {
    clearInterval(this.timer);
    await this.printStatus();
    this.print('\n');
  }

  private async printStatus(): Promise<void> {
    const states = await this.fleetStates();
    const now = performance.now();
    const heartbeats = this.statistics.total('heartbeats');
    const heartbeatsPerSecond = ((heartbeats - this.heartbeatsPrinted) * 1000) / Math.max(1, now - this.printedAt);
    this.heartbeatsPrinted = heartbeats;
    this.printedAt = now;
    const elapsed = ((now - this.startedAt) / 1000).toFixed(0).padStart(4);
    const line = `${elapsed} s  ${this.statistics.total('registered')} registrations${states}, ${heartbeatsPerSecond.toFixed(0)} heartbeats/s, p99 ${this.statistics.latencyMs(0.99).toFixed(0)} ms, ${this.statistics.rejections} rejected`;
    this.print(process.stdout.isTTY ? `\r\x1b[2K${line}` : `${line}\n`);
  }

  /** The server may be overloaded or unavailable: its counts are then left out. */
  private async fleetStates(): Promise<string> {
    if (this.key === null) return '';
    const fleet = await this.client.fleet(this.key).catch(() => null);
    return fleet
      ? `, ${fleet.connectionState.Connected} connected, ${fleet.connectionState.Disconnected} disconnected, ${fleet.health.Warning} warning, ${fleet.health.Critical} critical`
      : '';
  }
}
