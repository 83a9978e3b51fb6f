/** Every pair of filters in every order on the largest fleet: the first page including its access path probe, by a reader without cached state. */
import { built } from './built.mjs';
import { hostIdOf, SHARED_ADDRESS } from './fleet.mjs';
import { spread } from './statistics.mjs';

const { Database, ProcessServerListQuery, PendingWrites } = await built('libs/fleet-mysql/src/index.js');
const { SystemRandomness } = await built('libs/platform/src/index.js');

const { fixedVersionRules } = await built('libs/fleet/src/index.js');
const RULES = fixedVersionRules({ major: 1, minor: 0, build: 0, revision: 0 });
const REPETITIONS = 5;
const SORTS = ['hostId', 'friendlyName', 'lastHeartbeat'];
const FILTERS = [
  { connectionState: 'Connected' },
  { connectionState: 'Disconnected' },
  { lifecycle: 'Registered' },
  { lifecycle: 'Decommissioned' },
  { versionStatus: 'Supported' },
  { versionStatus: 'NotSupported' },
  { health: 'Normal' },
  { health: 'Warning' },
  { health: 'Critical' },
  { health: 'None' },
  { ipAddress: SHARED_ADDRESS },
  { friendlyName: 'p' },
  { friendlyName: 'ps-07-' },
  { machineId: hostIdOf(7) },
  { possibleDuplicate: true },
  { possibleDuplicate: false },
  { passphraseId: hostIdOf('passphrase') },
  { silentForSeconds: 3_600 },
];
const PAIRS = FILTERS.flatMap((one, index) =>
  FILTERS.slice(index + 1)
    .filter((other) => Object.keys(one)[0] !== Object.keys(other)[0])
    .map((other) => ({ ...one, ...other })),
);
const TRIPLES = [{ health: 'Critical', connectionState: 'Connected', friendlyName: 'p' }];

/** One row for each order: the median and the maximum of the pairs' medians, and the slowest pairs by name. */
export async function filterPairs(address, repetitions = REPETITIONS) {
  const database = new Database(address, new SystemRandomness(), { connections: 1, lockWaitSeconds: 3 });
  const rows = [];
  for (const sort of SORTS) {
    const pairs = [];
    for (const filter of [...PAIRS, ...TRIPLES]) {
      const times = [];
      let page;
      for (let time = 0; time < repetitions; time += 1) {
        const reader = new ProcessServerListQuery(
          database,
          { now: () => new Date(), monotonicMs: () => performance.now() },
          RULES,
          new PendingWrites(),
        );
        const startedAt = performance.now();
        page = await reader.fetchPage({ sort, filter, limit: 100, position: null, snapshot: null });
        times.push(performance.now() - startedAt);
      }
      times.sort((a, b) => a - b);
      pairs.push({
        filter: new URLSearchParams(filter).toString(),
        ms: times[Math.floor(times.length / 2)],
        items: page.items.length,
        hasNext: page.next !== null,
      });
    }
    pairs.sort((a, b) => b.ms - a.ms);
    rows.push({ sort, pairs });
  }
  await database.close();
  return rows;
}

/** The result in the format of the other sections. */
export async function pairs({ fleet }) {
  const rows = (await filterPairs(fleet.address)).map(({ sort, pairs: all }) => ({
    what: `${all.length} combinations by ${sort}`,
    oursMs: spread(all.map(({ ms }) => ms)),
    note: `slowest: ${all
      .slice(0, 3)
      .map(({ filter, ms }) => `${filter} ${ms.toFixed(0)} ms`)
      .join(', ')}`,
  }));
  return { rows, ratios: {} };
}
