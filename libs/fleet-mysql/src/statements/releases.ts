import { formatVersion, parseVersion, versionKey, type Release, type ReleaseFlag, type ReleaseKey } from '@app/fleet';
import type { GuardedStatement, Statement } from '../database.js';
import { PRODUCT_RELEASE } from '../entities/fleet-tables.js';
import type { Nullable, RowOf } from '../entities/table.js';

type ReleaseRow = RowOf<typeof PRODUCT_RELEASE>;
/** A row of READ_CATALOGUE: without releases, one row with the revision alone. */
export type CatalogueRow = Nullable<ReleaseRow> & { readonly revision: string };

const REVISION = "COALESCE((SELECT c.revision FROM release_catalogue AS c WHERE c.id = 1), '') AS revision";

/** Returns one row; an empty revision before the first change. */
export const READ_CATALOGUE_REVISION = `SELECT ${REVISION}`;
/** The revision and all releases, in one consistent read. */
export const READ_CATALOGUE = `
  SELECT ${REVISION}, ${PRODUCT_RELEASE.of('r')}
    FROM (SELECT 1 AS one) AS x
    LEFT JOIN product_release AS r ON TRUE`;

/**
 * Every change of the catalogue writes this row before it reads the releases, so that its decision is based on the current state: on one
 * server concurrent changes wait, on a cluster only one of them commits. Param: event id.
 */
export const WRITE_CATALOGUE_REVISION = `
  INSERT INTO release_catalogue (id, revision) VALUES (1, ?)
  ON DUPLICATE KEY UPDATE revision = VALUES(revision)`;

const PLAIN_RELEASE = PRODUCT_RELEASE.omit('version', 'version_key', 'flags', 'sha256');
const IS_KEY = 'component = ? AND os_type = ? AND version_key = ?';

const keyParameters = ({ component, osType, version }: ReleaseKey): string[] => [
  component,
  osType,
  versionKey(version),
];

export const deleteRelease = (key: ReleaseKey): Statement => ({
  sql: `DELETE FROM product_release WHERE ${IS_KEY}`,
  parameters: keyParameters(key),
});

export const insertRelease = (release: Release): GuardedStatement =>
  PRODUCT_RELEASE.insert([
    PLAIN_RELEASE.toRow(release, {
      version: formatVersion(release.version),
      version_key: versionKey(release.version),
      flags: release.flags.join(','),
      sha256: Buffer.from(release.sha256, 'hex'),
    }),
  ]);

/** The release of a row; null for the row of an empty catalogue. */
export function toRelease(row: CatalogueRow): Release | null {
  const version = row.version === null ? null : parseVersion(row.version);
  if (version === null) return null;
  const { flags, sha256 } = row as ReleaseRow;
  return PLAIN_RELEASE.toDomain(row as ReleaseRow, {
    version,
    flags: flags === '' ? [] : (flags.split(',') as ReleaseFlag[]),
    sha256: sha256.toString('hex'),
  });
}
