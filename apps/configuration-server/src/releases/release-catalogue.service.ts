import {
  assertSupportPeriodValid,
  compareReleases,
  parseVersion,
  putRelease,
  removeRelease,
  formatVersion,
  type Actor,
  type Clock,
  type Release,
  type ReleaseComponent,
  type ReleaseKey,
  type ReleaseOsType,
  type Releases,
} from '@app/fleet';
import type { ListReleasesQuery, ReleaseList } from '@app/api-contract';
import { decodeCursor, encodeCursor } from '../queries/cursor-codec.js';
import type { Packages } from './packages.service.js';
import { toReleaseDto } from './release.mapper.js';

const DEFAULT_LIMIT = 100;

interface ReleaseCursor {
  readonly component: ReleaseComponent;
  readonly osType: ReleaseOsType;
  readonly version: string;
}

/** Lists and changes the release catalogue. */
export class ReleaseCatalogueService {
  constructor(
    private readonly releases: Releases,
    private readonly packages: Pick<Packages, 'assertFileMatches'>,
    private readonly clock: Clock,
  ) {}

  /** @throws RequestProblem `invalid_cursor`. */
  async list({ limit = DEFAULT_LIMIT, cursor, component, osType }: ListReleasesQuery): Promise<ReleaseList> {
    const query = { list: 'releases', component, osType };
    const state = decodeCursor<ReleaseCursor>(query, cursor, (given) => parseVersion(String(given.version)) !== null);
    const version = state && parseVersion(state.version);
    const after: ReleaseKey | null = state && version && { ...state, version };
    const matching = (await this.releases.all()).filter(
      (release) =>
        (component === undefined || release.component === component) &&
        (osType === undefined || release.osType === osType) &&
        (after === null || compareReleases(release, after) > 0),
    );
    const items = matching.slice(0, limit);
    const last = items.at(-1);
    return {
      items: items.map(toReleaseDto),
      nextCursor: matching.length > limit && last ? encodeCursor(query, toCursor(last)) : null,
      asOf: this.clock.now().toISOString(),
    };
  }

  /** @throws FleetError as `putRelease`, and RequestProblem as `Packages.assertFileMatches`. */
  async put(release: Release, actor: Actor): Promise<{ readonly isNew: boolean }> {
    assertSupportPeriodValid(release); // before the file is read
    await this.packages.assertFileMatches(release);
    return this.releases.change(release, (snapshot) => putRelease(release, actor, snapshot));
  }

  /** @throws FleetError `release_not_found`. */
  remove(key: ReleaseKey, actor: Actor): Promise<Release> {
    return this.releases.change(key, (snapshot) => removeRelease(key, actor, snapshot));
  }
}

const toCursor = ({ component, osType, version }: ReleaseKey): ReleaseCursor => ({
  component,
  osType,
  version: formatVersion(version),
});
