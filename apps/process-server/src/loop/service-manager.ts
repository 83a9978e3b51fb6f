import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const DEFAULT_SLICE_MS = 2_000;

/** Messages to systemd by `systemd-notify`; without a service manager, none. */
export class ServiceManager {
  private isReady = false;

  constructor(private readonly environment: NodeJS.ProcessEnv) {}

  /** The longest time between two turns of the loop that the watchdog accepts, with a margin. */
  get sliceMs(): number {
    const watchdogMs = Number(this.environment['WATCHDOG_USEC'] ?? 0) / 1000;
    return watchdogMs > 0 ? Math.min(DEFAULT_SLICE_MS, watchdogMs / 3) : DEFAULT_SLICE_MS;
  }

  /** Ready as soon as the agent knows what it is doing: sending, or waiting for a stated reason. */
  async report(status: string): Promise<void> {
    const ready = this.isReady ? [] : ['--ready'];
    this.isReady = true;
    await this.notify([...ready, `--status=${status}`]);
  }

  /** Vouches only that the loop turned. */
  async loopTurned(): Promise<void> {
    if (this.environment['WATCHDOG_USEC']) await this.notify(['WATCHDOG=1']);
  }

  private async notify(args: readonly string[]): Promise<void> {
    if (!this.environment['NOTIFY_SOCKET']) return;
    await promisify(execFile)('systemd-notify', [...args], { timeout: 5_000 }).catch(() => undefined);
  }
}
