import { LOAD_BITS, LOAD_SIGNALS, statusRank, WARNING_BITS, warningBit, type LoadSignal } from '@app/fleet';

/*
 * `afterReport` of the rules in SQL, on the stored row `h`, the report `b` and the time `m`. Every expression reads the row as it was
 * before the statement, so a column that another assignment reads is assigned after it.
 */

/** When a batch of reports is written. Params: `reportTime`. */
const REPORT_TIME = `(SELECT ? AS available_ms, CAST(? AS DATETIME(3)) AS reported_at, ? AS bucket, ? AS raise_before_ms,
                         ? AS clear_before_ms, ? AS rewrite_before_ms) AS m`;

/** Since when each value has been on its side, in the order of the bits. */
const SINCE_COLUMNS = ['warning', 'critical'].flatMap((level) =>
  LOAD_SIGNALS.map((signal) => `${signal}_${level}_since_available_ms`),
);

const IS_LOAD_GAP = '(h.load_available_ms IS NULL OR h.load_available_ms < m.available_ms - b.lease_ms)';
/** Bits of the known values that are on the same side as in the previous report. */
const SAME_SIDES = `(b.known & ~(h.load_above ^ b.above) & IF(${IS_LOAD_GAP}, 0, ${LOAD_BITS}))`;
/** Bits of the values that have been on their side for long enough to raise or clear their signal. */
const LONG_ENOUGH = SINCE_COLUMNS.map(
  (column, index) =>
    `(COALESCE(h.${column} <= IF(b.above & ${1 << index}, m.raise_before_ms, m.clear_before_ms), 0) << ${index})`,
).join(' | ');
const DECIDED = `(${SAME_SIDES} & (${LONG_ENOUGH}))`;
/** The raised signals after the report: a decided one is raised if it is above. */
const RAISED = `(h.load_raised ^ ((h.load_raised ^ b.above) & ${DECIDED}))`;
const WAS_KNOWN = LOAD_SIGNALS.map(
  (signal) => `(h.${signal}_warning_since_available_ms IS NOT NULL) * ${warningBit(signal)}`,
).join(' + ');

/** By the highest raised bit: those of Critical are above those of Warning. Each mention of RAISED lengthens the statement, and its parsing. */
const SEVERITY = `ELT(1 + INTERVAL(${RAISED} & b.known, 1, ${WARNING_BITS + 1}),
           IF(b.known = ${LOAD_BITS}, ${statusRank('Healthy')}, ${statusRank('Unknown')}),
           ${statusRank('Warning')}, ${statusRank('Critical')})`;

const since = (column: string, index: number): string =>
  `h.${column} = IF(b.known & ${1 << index}, COALESCE(IF(${SAME_SIDES} & ${1 << index}, h.${column}, NULL), m.available_ms), NULL)`;

/** The wall time since which a signal is above its first threshold; kept while it is raised. */
function exceededAt(signal: LoadSignal): string {
  const bit = warningBit(signal);
  const lasts = `(h.load_raised & ${bit} OR ${SAME_SIDES} & b.above & ${bit})`;
  return `h.${signal}_exceeded_at = COALESCE(IF(${lasts}, h.${signal}_exceeded_at, NULL), IF(b.above & ${bit}, m.reported_at, NULL))`;
}

const LOAD_COLUMNS = {
  cpu_percent: 'DOUBLE',
  total_memory_bytes: 'BIGINT',
  available_memory_bytes: 'BIGINT',
  total_cache_bytes: 'BIGINT',
  free_cache_bytes: 'BIGINT',
  throughput_bytes_per_second: 'BIGINT',
  pending_upload_bytes: 'BIGINT',
};
const LOAD_NAMES = Object.keys(LOAD_COLUMNS);

/**
 * Writes the load reports of accepted heartbeats, except unchanged ones that were written recently and decide nothing. Params: the
 * reports as JSON arrays, `reportTime`.
 */
export const UPDATE_LOAD_REPORTS = `
  UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]',
           known TINYINT UNSIGNED PATH '$[1]',
           above TINYINT UNSIGNED PATH '$[2]',
           lease_ms BIGINT PATH '$[3]',
           ${Object.entries(LOAD_COLUMNS)
             .map(([name, type], index) => `${name} ${type} PATH '$[${4 + index}]'`)
             .join(',\n           ')})) AS b
  STRAIGHT_JOIN ${REPORT_TIME}
  STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = b.host_id
     SET h.review_due = IF((h.load_raised ^ b.above) & ${DECIDED} OR ${WAS_KNOWN} <> (b.known & ${WARNING_BITS})
             OR h.load_available_ms IS NULL OR h.load_available_ms <= m.raise_before_ms, 1, h.review_due),
         h.load_severity = ${SEVERITY},
         ${LOAD_SIGNALS.map(exceededAt).join(',\n         ')},
         h.load_raised = ${RAISED},
         ${SINCE_COLUMNS.map(since).join(',\n         ')},
         h.load_above = b.above,
         h.load_available_ms = m.available_ms,
         h.load_reported_at = m.reported_at,
         h.load_report_bucket = m.bucket,
         ${LOAD_NAMES.map((name) => `h.${name} = b.${name}`).join(',\n         ')}
   WHERE h.load_available_ms IS NULL
      OR h.load_available_ms <= m.rewrite_before_ms
      OR (h.load_above ^ h.load_raised) & b.known
      OR NOT (${LOAD_NAMES.map((name) => `h.${name} <=> b.${name}`).join(' AND ')})`;

/** The column is text on MariaDB and JSON on MySQL, where JSON never equals text. */
const SAME_SERVICES = "(h.services = b.services OR h.services = JSON_EXTRACT(b.services, '$'))";
const SAME_SERVICES_SIDE = `(b.services_down = h.services_down AND h.services_available_ms >= m.available_ms - b.lease_ms)`;
const SERVICES_RAISED = `IF(${SAME_SERVICES_SIDE} AND h.services_since_available_ms <= IF(b.services_down, m.raise_before_ms, m.clear_before_ms), b.services_down, h.services_raised)`;
const SAME_CERTIFICATE = 'h.certificate_expires_at = CAST(b.certificate_expires_at AS DATETIME(3))';
/** Whether the certificate was reported after this time. */
const certificateAfter = (time: string): string => `(${SAME_CERTIFICATE} AND h.certificate_available_ms > m.${time})`;

/**
 * Writes the other reports of accepted heartbeats. Absent members stay unchanged, and a list without services decides nothing. The
 * report time of an unchanged value is written once a minute. Params: the reports as a JSON buffer, `reportTime`, the range of recent
 * report times.
 */
export const UPDATE_STATUS_REPORTS = `
  UPDATE JSON_TABLE(CONVERT(? USING utf8mb4), '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]',
           services LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]',
           services_down TINYINT PATH '$[2]',
           protected_machine_count INT UNSIGNED PATH '$[3]',
           replication_pair_count INT UNSIGNED PATH '$[4]',
           certificate_expires_at VARCHAR(24) CHARACTER SET ascii PATH '$[5]',
           lease_ms BIGINT PATH '$[6]',
           churn_bytes_per_day BIGINT UNSIGNED PATH '$[7]')) AS b
  STRAIGHT_JOIN ${REPORT_TIME}
  STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = b.host_id
     SET h.review_due = IF(${SERVICES_RAISED} <> h.services_raised
             OR (b.services_down IS NOT NULL AND COALESCE(h.services_available_ms <= m.raise_before_ms, 1))
             OR (b.certificate_expires_at IS NOT NULL AND NOT COALESCE(${certificateAfter('raise_before_ms')}, 0)), 1, h.review_due),
         h.services_reported_at = CASE
           WHEN b.services IS NULL THEN h.services_reported_at
           WHEN h.services_reported_at BETWEEN ? AND ? AND ${SAME_SERVICES} THEN h.services_reported_at
           ELSE m.reported_at END,
         h.services_down_at = CASE b.services_down
           WHEN 1 THEN LEAST(COALESCE(IF(h.services_raised = 1 OR ${SAME_SERVICES_SIDE}, h.services_down_at, NULL), m.reported_at), m.reported_at)
           WHEN 0 THEN IF(${SERVICES_RAISED} = 1, h.services_down_at, NULL)
           ELSE h.services_down_at END,
         h.services_raised = ${SERVICES_RAISED},
         h.services_since_available_ms = CASE
           WHEN b.services_down IS NULL OR ${SAME_SERVICES_SIDE} THEN h.services_since_available_ms
           ELSE m.available_ms END,
         h.services_available_ms = CASE
           WHEN b.services_down IS NULL THEN h.services_available_ms
           WHEN h.services_available_ms > m.rewrite_before_ms AND h.services_down = h.services_raised AND ${SAME_SERVICES} THEN h.services_available_ms
           ELSE m.available_ms END,
         h.services_down = COALESCE(b.services_down, h.services_down),
         h.services = COALESCE(b.services, h.services),
         h.protected_machine_count = COALESCE(b.protected_machine_count, h.protected_machine_count),
         h.protected_machines_unknown = IF(b.protected_machine_count IS NULL, h.protected_machines_unknown, 0),
         h.replication_pair_count = COALESCE(b.replication_pair_count, h.replication_pair_count),
         h.churn_bytes_per_day = COALESCE(b.churn_bytes_per_day, h.churn_bytes_per_day),
         h.certificate_known_at = CASE
           WHEN b.certificate_expires_at IS NULL OR ${certificateAfter('raise_before_ms')} THEN h.certificate_known_at
           ELSE m.reported_at END,
         h.certificate_reported_at = CASE
           WHEN b.certificate_expires_at IS NULL OR ${certificateAfter('rewrite_before_ms')} THEN h.certificate_reported_at
           ELSE m.reported_at END,
         h.certificate_available_ms = CASE
           WHEN b.certificate_expires_at IS NULL OR ${certificateAfter('rewrite_before_ms')} THEN h.certificate_available_ms
           ELSE m.available_ms END,
         h.certificate_expires_at = COALESCE(b.certificate_expires_at, h.certificate_expires_at)`;

/** The columns of a report and the values of a row without it. */
const NO_LOAD = {
  load_reported_at: 'NULL',
  load_available_ms: 'NULL',
  load_report_bucket: 'NULL',
  load_severity: '0',
  load_above: '0',
  load_raised: '0',
  ...Object.fromEntries(SINCE_COLUMNS.map((name) => [name, 'NULL'])),
  ...Object.fromEntries(LOAD_SIGNALS.map((signal) => [`${signal}_exceeded_at`, 'NULL'])),
};
const NO_SERVICES = {
  services_reported_at: 'NULL',
  services_available_ms: 'NULL',
  services_since_available_ms: 'NULL',
  services_down: 'NULL',
  services_raised: '0',
  services_down_at: 'NULL',
};
const NO_CERTIFICATE = {
  certificate_expires_at: 'NULL',
  certificate_reported_at: 'NULL',
  certificate_available_ms: 'NULL',
  certificate_known_at: 'NULL',
};

const clearedIf = (condition: string, columns: Readonly<Record<string, string>>): string =>
  Object.entries(columns)
    .map(([name, none]) => `h.${name} = IF(${condition}, ${none}, h.${name})`)
    .join(',\n         ');
const cleared = (columns: Readonly<Record<string, string>>): string =>
  Object.entries(columns)
    .map(([name, none]) => `h.${name} = ${none}`)
    .join(', ');

/**
 * Clears the values that accepted heartbeats withdrew or reported in an unusable form. An unusable value does not end an outage of
 * services. Params: a JSON array for each heartbeat: 0 keeps a value, 1 clears it, 2 withdraws the services.
 */
export const CLEAR_REPORTS = `
  UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]',
           services TINYINT PATH '$[1]',
           protected_machine_count TINYINT PATH '$[2]',
           replication_pair_count TINYINT PATH '$[3]',
           certificate_expires_at TINYINT PATH '$[4]',
           reported_load TINYINT PATH '$[5]',
           churn_bytes_per_day TINYINT PATH '$[6]')) AS b
  STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = b.host_id
     SET h.review_due = IF(b.services = 2 OR b.certificate_expires_at = 1 OR b.reported_load = 1, 1, h.review_due),
         h.services = IF(b.services > 0, NULL, h.services),
         ${clearedIf('b.services = 2', NO_SERVICES)},
         h.protected_machine_count = IF(b.protected_machine_count = 1, NULL, h.protected_machine_count),
         h.protected_machines_unknown = IF(b.protected_machine_count = 1, 1, h.protected_machines_unknown),
         h.replication_pair_count = IF(b.replication_pair_count = 1, NULL, h.replication_pair_count),
         h.churn_bytes_per_day = IF(b.churn_bytes_per_day = 1, NULL, h.churn_bytes_per_day),
         ${clearedIf('b.certificate_expires_at = 1', NO_CERTIFICATE)},
         ${clearedIf('b.reported_load = 1', NO_LOAD)}`;

/** As `afterRegistration` of the rules. Param: host id. */
export const WITHDRAW_REPORTS = `
  UPDATE process_server_health AS h
     SET h.review_due = 1, h.services = NULL, ${cleared({ ...NO_SERVICES, ...NO_CERTIFICATE })}
   WHERE h.host_id = ?`;

/** Clears all reports after another machine registered under the host id. Param: host id. */
export const CLEAR_HEALTH = `
  UPDATE process_server_health AS h
     SET h.review_due = 1, h.services = NULL, ${cleared({ ...NO_LOAD, ...NO_SERVICES, ...NO_CERTIFICATE })},
         h.protected_machine_count = NULL, h.protected_machines_unknown = 0, h.replication_pair_count = NULL, h.churn_bytes_per_day = NULL
   WHERE h.host_id = ?`;
