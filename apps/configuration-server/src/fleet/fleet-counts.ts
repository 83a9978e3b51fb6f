import type { Clock, Removals } from '@app/fleet';
import type { FleetReader, StateCount } from '@app/fleet-mysql';
import type { FleetResponse } from '@app/wire';

/** How old an answer may be. */
const FRESH_MS = 5_000;

/** The fleet in numbers, counted at most once in five seconds. */
export class FleetCounts {
  private latest: { readonly at: number; readonly answer: Promise<FleetResponse> } | null = null;

  constructor(
    private readonly reader: FleetReader,
    private readonly removals: Removals,
    private readonly clock: Clock,
  ) {}

  current(): Promise<FleetResponse> {
    const now = this.clock.now().getTime();
    if (!this.latest || now - this.latest.at >= FRESH_MS) {
      const counting = { at: now, answer: this.count() };
      counting.answer.catch(() => {
        if (this.latest === counting) this.latest = null;
      });
      this.latest = counting;
    }
    return this.latest.answer;
  }

  private async count(): Promise<FleetResponse> {
    const { counts, asOf } = await this.reader.counts();
    const oldest = await this.removals.oldestDecommission();
    const sum = <Key extends 'lifecycle' | 'connectionState' | 'versionStatus' | 'health'>(key: Key, value: StateCount[Key]): number =>
      counts.filter((one) => one[key] === value).reduce((total, { count }) => total + count, 0);
    return {
      total: counts.reduce((total, { count }) => total + count, 0),
      lifecycle: { Registered: sum('lifecycle', 'Registered'), Decommissioned: sum('lifecycle', 'Decommissioned') },
      connectionState: { Connected: sum('connectionState', 'Connected'), Disconnected: sum('connectionState', 'Disconnected') },
      versionStatus: {
        Supported: sum('versionStatus', 'Supported'),
        NotSupported: sum('versionStatus', 'NotSupported'),
        Deprecated: sum('versionStatus', 'Deprecated'),
        UpdateRequired: sum('versionStatus', 'UpdateRequired'),
        SecurityUpdateRequired: sum('versionStatus', 'SecurityUpdateRequired'),
      },
      health: { None: sum('health', 'None'), Normal: sum('health', 'Normal'), Warning: sum('health', 'Warning'), Critical: sum('health', 'Critical') },
      oldestDecommissionedAgeSeconds: oldest && Math.max(0, Math.floor((asOf.at.getTime() - oldest.at.getTime()) / 1000)),
      asOf: asOf.at.toISOString(),
    };
  }
}
