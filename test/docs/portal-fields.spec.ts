import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { projectRoot } from '../../apps/configuration-server/src/openapi/openapi-file.js';
import { portalFieldRows } from '../support/portal-fields.js';

const HEALTH_ERROR_FIELDS =
  'errorCode errorLevel errorCategory errorSource entityId summaryMessage errorMessage possibleCauses recommendedAction creationTimeUtc customerResolvability';
/** What the portal shows of a process server. */
const PORTAL_FIELDS = [
  'friendlyName id hostId ipAddress osType osVersion agentVersion agentVersionDetails agentVersionDetails.version',
  'agentVersionDetails.expiryDate agentVersionDetails.status agentExpiryDate versionStatus lastHeartbeat machineCount',
  'replicationPairCount systemLoad systemLoadStatus cpuLoad cpuLoadStatus totalMemoryInBytes availableMemoryInBytes',
  'memoryUsageStatus totalSpaceInBytes availableSpaceInBytes spaceUsageStatus psServiceStatus psStatsRefreshTime',
  'throughputInMBps throughputInBytes throughputUploadPendingDataInBytes throughputStatus marsCommunicationStatus',
  'marsRegistrationStatus sslCertExpiryDate sslCertExpiryRemainingDays mobilityServiceUpdates health healthErrors',
  ...HEALTH_ERROR_FIELDS.split(' ').map((field) => `healthErrors.${field}`),
].flatMap((names) => names.split(' '));

interface Schema {
  readonly $ref?: string;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
}
const { components } = JSON.parse(readFileSync(join(projectRoot(), 'openapi.json'), 'utf8')) as {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
};

/** The schema without references and without null. */
function resolved(schema: Schema | undefined): Schema | undefined {
  if (schema?.$ref) return resolved(components.schemas[schema.$ref.split('/').at(-1)!]);
  return schema?.anyOf ? resolved(schema.anyOf[0]) : schema;
}

const schemaAt = (path: string): Schema | undefined =>
  path.split('.').reduce<Schema | undefined>((schema, part) => {
    const name = part.replace(/\[\]$/, '');
    const member = resolved(resolved(schema)?.properties?.[name]);
    return part === name ? member : resolved(member?.items);
  }, components.schemas['ProcessServerDetail']);

describe('docs/portal-fields.md', () => {
  const rows = portalFieldRows();

  it('has one row for each field of the portal, and no other row', () => {
    expect(rows.map(({ portalField }) => portalField)).toEqual(PORTAL_FIELDS);
  });

  it.each(rows.filter(({ path }) => path !== null))('$portalField: the detail has $path', ({ path }) => {
    expect(schemaAt(path!)).toBeDefined();
  });

  it.each(rows.filter(({ path }) => path === null))('$portalField: says why it is not ours', ({ explanation }) => {
    expect(explanation).toMatch(/^Not ours[:,] .{10}/);
  });

  it('finds no path that does not exist', () => {
    for (const path of ['load.systemLoad', 'healthErrors[].id', 'load[].cpuPercent', 'hostid', 'health.status'])
      expect([path, schemaAt(path)]).toEqual([path, undefined]);
  });
});
