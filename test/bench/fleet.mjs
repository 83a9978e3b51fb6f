/** A registered fleet of any size in its own private database, created with bulk statements instead of registrations. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { built } from './built.mjs';

const { Database, migrateDatabase, SecretStore } = await built('libs/fleet-mysql/src/index.js');
const { openPrivateDatabase } = await built('libs/dev-database/src/index.js');
const { HmacCredentials, newSharedKey, sha256, SystemRandomness, UuidIdentifiers } =
  await built('libs/platform/src/index.js');

export const PASSPHRASE = 'AAAAA-BBBBB-CCCCC-DDDDD-EEEEE-FFFFF';
export const ADMIN_KEY = 'csk_benchmarks-only-benchmarks-only-benchmarks-';
const VERSION = '1.0.0.0';
/** The address of a site whose process servers share one. */
export const SHARED_ADDRESS = '10.250.0.1';
const SERVERS_WITH_SHARED_ADDRESS = 200;
/** Maximum of process servers whose credential the load generator knows, evenly spaced; of a million, one on nearly every page of the lease index. */
const MAX_SAMPLE_SIZE = 33_333;
const CREDENTIALS_PER_STATEMENT = 5_000;
/** No foreign key checks: an empty table is then filled in bulk, with its indexes. */
const WITHOUT_CHECKS = 'unique_checks = 0, foreign_key_checks = 0';
/** The availability clock when the fleet is created. */
const AVAILABLE_MS = 1_000_000_000;

/** Age of the last heartbeat in ms: servers are in the order of their next heartbeats, as with a fixed interval. */
const ageMs = (n, size) => `(30000 - ${n} * 30000 DIV ${size})`;

/** Host ids in random order, like UUIDs. SQL and JavaScript compute the same ids. */
const HOST_ID = (n) =>
  `CONCAT_WS('-', SUBSTR(${n}, 1, 8), SUBSTR(${n}, 9, 4), SUBSTR(${n}, 13, 4), SUBSTR(${n}, 17, 4), SUBSTR(${n}, 21, 12))`;
export function hostIdOf(number) {
  const digest = createHash('md5').update(String(number)).digest('hex');
  return [digest.slice(0, 8), digest.slice(8, 12), digest.slice(12, 16), digest.slice(16, 20), digest.slice(20)].join(
    '-',
  );
}

/** @returns a fleet with the address of its database, the `sample` with known credentials, and `stop`. */
export async function makeFleet(directory, size) {
  const privateDatabase = await openPrivateDatabase({
    directory: join(directory, 'database'),
    profile: 'production',
    progress: () => undefined,
  });
  const { address } = privateDatabase;
  const clock = { now: () => new Date() };
  await migrateDatabase(address, clock, 'bench', { random: () => 0 });
  const database = new Database(address, new SystemRandomness(), { connections: 1, lockWaitSeconds: 50 });
  const key = await new SecretStore(database, clock, new UuidIdentifiers()).getOrCreateSharedKey(
    'credential_hmac',
    newSharedKey(),
  );
  await database.close();
  const connection = await createConnection({ ...address, timezone: 'Z' });
  await connection.query("SET time_zone = '+00:00'");
  await addSecrets(connection);
  await addEntries(address, connection, size);
  const sample = await addCredentials(connection, new HmacCredentials(key), size);
  const passwordFile = join(directory, 'database.password');
  writeFileSync(passwordFile, address.password, { mode: 0o600 });
  return {
    size,
    sample,
    /** The part of the sample that `decommission` does not change. */
    staying: sample.filter(({ number }) => number % 10 === 0),
    address,
    connection,
    environment: {
      DATABASE_URL: `mysql://${address.user}@localhost/${address.database}?socket=${encodeURIComponent(address.socketPath)}`,
      DATABASE_PASSWORD_FILE: passwordFile,
    },
    /** Hosts by number, registered or not, as arguments of `registrations`. */
    hosts: (from, count) =>
      Array.from({ length: count }, (_, index) => ({ number: from + index, hostId: hostIdOf(from + index) })),
    /** Marks up to `entries` servers whose number does not end in 0 as Decommissioned a minute ago; returns their count. */
    async decommission(entries) {
      const now = 'UTC_TIMESTAMP(3) - INTERVAL 60 SECOND';
      const [chosen] = await connection.query(
        'SELECT p.host_id FROM process_server p WHERE p.decommissioned_at IS NULL AND RIGHT(p.friendly_name, 1) <> "0" ORDER BY p.host_id DESC LIMIT ?',
        [entries],
      );
      for (let from = 0; from < chosen.length; from += 5_000) {
        const ids = chosen.slice(from, from + 5_000).map(({ host_id }) => host_id);
        await connection.query(
          `UPDATE process_server SET decommissioned_at = ${now}, decommissioned_by = 'process-server', remove_by = ${now} WHERE host_id IN (?)`,
          [ids],
        );
        await connection.query(
          'UPDATE process_server_lease SET retired = 1, expires_available_ms = LEAST(expires_available_ms, 1000000000) WHERE host_id IN (?)',
          [ids],
        );
      }
      return chosen.length;
    },
    /** Number of entries that are due and not removed yet. */
    async countDue() {
      const [[{ count }]] = await connection.query(
        'SELECT COUNT(*) AS count FROM process_server p WHERE p.decommissioned_at <= UTC_TIMESTAMP(3)',
      );
      return count;
    },
    /** Number of hosts that have registered more than once. */
    async countReregistered() {
      const [[{ registered }]] = await connection.query(
        'SELECT COUNT(*) AS registered FROM process_server p WHERE p.generation > 1',
      );
      return registered;
    },
    async stop() {
      await connection.end();
      await privateDatabase.stop();
    },
  };
}

async function addSecrets(connection) {
  await connection.query('INSERT INTO passphrase (id, hash, created_at) VALUES (?, ?, NOW(3))', [
    hostIdOf('passphrase'),
    sha256(PASSPHRASE),
  ]);
  await connection.query(
    "INSERT INTO api_key (id, name, name_key, hash, role, created_at) VALUES (?, 'bench', 'bench', ?, 'admin', NOW(3))",
    [hostIdOf('key'), sha256(ADMIN_KEY)],
  );
}

/**
 * A typical fleet: of a thousand servers, one is Decommissioned, ten are silent and twenty have an old version. Two hundred in total
 * share one address. Leases last longer than the benchmark, except for those that it renews.
 */
async function addEntries(address, connection, size) {
  await connection.query(
    `INSERT INTO availability_clock (id, available_ms, recorded_at) VALUES (1, ${AVAILABLE_MS}, NOW(3)) ON DUPLICATE KEY UPDATE available_ms = ${AVAILABLE_MS}, recorded_at = NOW(3)`,
  );
  await connection.query(`SET ${WITHOUT_CHECKS}`);
  await connection.query(
    'CREATE TABLE numbers (m CHAR(32) CHARACTER SET ascii NOT NULL PRIMARY KEY, n INT UNSIGNED NOT NULL)',
  );
  const digits =
    '(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)';
  const number = 'a.d + 10*b.d + 100*c.d + 1000*e.d + 10000*f.d + 100000*g.d';
  await connection.query(
    `INSERT INTO numbers SELECT MD5(${number}), ${number} AS n FROM ${digits} a, ${digits} b, ${digits} c, ${digits} e, ${digits} f, ${digits} g WHERE ${number} < ${size}`,
  );
  const tables = [
    [
      'process_server',
      `INSERT INTO process_server (host_id, generation, friendly_name, name_key, ip_address, data_port, os_type, os_version, agent_version, version_key, machine_id,
         environment, cpu_cores, memory_bytes, cache_disk_bytes, passphrase_id, registered_at, decommissioned_at, decommissioned_by, remove_by)
       SELECT ${HOST_ID('m')}, 1, CONCAT('ps-', LPAD(n MOD 100, 2, '0'), '-', n), CONCAT('ps-', LPAD(n MOD 100, 2, '0'), '-', n), IF(n MOD ${Math.max(1, Math.floor(size / SERVERS_WITH_SHARED_ADDRESS))} = 7, '${SHARED_ADDRESS}', CONCAT_WS('.', 10, n MOD 200, n DIV 200 MOD 200, n DIV 40000)), 9443, 'Windows', 'Server 2022',
         IF(n MOD 1000 BETWEEN 100 AND 119, '0.1.0.0', '${VERSION}'), IF(n MOD 1000 BETWEEN 100 AND 119, '0000000100000000', '0001000000000000'), ${HOST_ID('m')},
         'VMware', 8, 17179869184, 644245094400, '${hostIdOf('passphrase')}', NOW(3) - INTERVAL 1 DAY, IF(n MOD 1000 = 999, NOW(3) + INTERVAL 1 HOUR, NULL), IF(n MOD 1000 = 999, 'process-server', NULL), IF(n MOD 1000 = 999, NOW(3) + INTERVAL 2 HOUR, NULL)
         FROM numbers ORDER BY m`,
    ],
    [
      'process_server_lease',
      `INSERT INTO process_server_lease (host_id, generation, credential_hash, retired, revoked, report_fingerprint, last_heartbeat_at, last_seen_available_ms, expires_available_ms, assigned_interval_seconds, source_address, skew_ms)
       SELECT ${HOST_ID('m')}, 1, UNHEX(SHA2(m, 256)), n MOD 1000 = 999, 0, REPEAT('\\0', 16), IF(n MOD 1000 < 10, NOW(3) - INTERVAL 1 DAY, NOW(3) - INTERVAL ${ageMs('n', size)} * 1000 MICROSECOND),
         IF(n MOD 1000 < 10, 500000000 + n, ${AVAILABLE_MS} - ${ageMs('n', size)}), IF(n MOD 1000 < 10, 500180000 + n, IF(n MOD 1000 = 999, 999998500, 1003600000 - ${ageMs('n', size)})), 30, '127.0.0.1', 0
         FROM numbers ORDER BY m`,
    ],
    [
      'process_server_health',
      `INSERT INTO process_server_health (host_id, load_severity, load_raised, load_above, load_reported_at, load_available_ms, load_report_bucket, cpu_percent, total_memory_bytes, available_memory_bytes, total_cache_bytes, free_cache_bytes, throughput_bytes_per_second, pending_upload_bytes, protected_machine_count, review_due)
       SELECT ${HOST_ID('m')}, IF(n MOD 100 = 50, 2, 1), IF(n MOD 100 = 50, 1, 0), IF(n MOD 100 = 50, 1, 0), NOW(3), ${AVAILABLE_MS}, ${AVAILABLE_MS} DIV 300000, IF(n MOD 100 = 50, 85, 20), 17179869184, 8589934592, 644245094400, 500000000000, 1000000, 0, 20, NULL FROM numbers ORDER BY m`,
    ],
    [
      'process_server_name_history',
      `INSERT INTO process_server_name_history (host_id, valid_from, name_key) SELECT ${HOST_ID('m')}, '1970-01-02', CONCAT('ps-', LPAD(n MOD 100, 2, '0'), '-', n) FROM numbers ORDER BY m`,
    ],
  ];
  await Promise.all(tables.map(([table, fill]) => fillTable(address, table, fill)));
  await connection.query(
    'INSERT INTO fleet_counter_delta (version_key, decommissioned, entries) SELECT p.version_key, p.decommissioned_at IS NOT NULL, COUNT(*) FROM process_server p GROUP BY 1, 2',
  );
  await connection.query('DROP TABLE numbers');
  await connection.query('SET unique_checks = 1, foreign_key_checks = 1');
}

/** Uses its own connection, concurrently with the other tables. */
async function fillTable(address, table, fill) {
  const connection = await createConnection({ ...address, timezone: 'Z' });
  await connection.query(`SET time_zone = '+00:00', ${WITHOUT_CHECKS}`);
  await connection.query(fill);
  await connection.query(`ANALYZE TABLE ${table}`);
  await connection.end();
}

/** Facts that the simulated agents repeat, so that their heartbeats are unchanged ones. */
const reportedFactsOf = (hostId) => ({ machineId: hostId, instanceId: 'bench', agentVersion: VERSION });

async function addCredentials(connection, credentials, size) {
  const step = Math.max(1, Math.floor(size / MAX_SAMPLE_SIZE));
  const identifiers = new UuidIdentifiers();
  const sample = [];
  const isExcluded = (number) =>
    number % 1000 < 10 || number % 1000 === 999 || (number % 1000 >= 100 && number % 1000 < 120);
  for (let number = 0; number < size && sample.length < MAX_SAMPLE_SIZE; number += step) {
    if (isExcluded(number)) continue; // silent, Decommissioned or old: not part of the sample
    const hostId = hostIdOf(number);
    sample.push({ number, hostId, ...credentials.issue(hostId, 1) });
  }
  for (let from = 0; from < sample.length; from += CREDENTIALS_PER_STATEMENT) {
    const rows = sample.slice(from, from + CREDENTIALS_PER_STATEMENT).map(({ hostId, credentialHash }) => {
      const { machineId, instanceId, agentVersion } = reportedFactsOf(hostId);
      const fingerprint = identifiers.digest(
        [1, credentialHash, machineId, instanceId, agentVersion, '127.0.0.1', VERSION].join('\n'),
      );
      return { hostId, credentialHash, fingerprint };
    });
    await connection.query(
      `UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$.hostId',
           credential_hash CHAR(64) CHARACTER SET ascii PATH '$.credentialHash',
           report_fingerprint CHAR(32) CHARACTER SET ascii PATH '$.fingerprint')) AS b
       STRAIGHT_JOIN process_server_lease AS l ON l.host_id = b.host_id
          SET l.credential_hash = UNHEX(b.credential_hash), l.report_fingerprint = UNHEX(b.report_fingerprint), l.instance_id = 'bench', l.expires_available_ms = l.last_seen_available_ms + 180000`,
      [JSON.stringify(rows)],
    );
  }
  return sample.map(({ number, hostId, credential }) => ({
    number,
    hostId,
    credential,
    generation: 1,
    ...reportedFactsOf(hostId),
  }));
}
