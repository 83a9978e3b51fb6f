import type { MonitorScan, EventKind, OsKey, ReleaseComponent, ReleaseOsType, Role } from '@app/fleet';
import * as column from './columns.js';
import { Table } from './table.js';

export const TOMBSTONE = new Table('tombstone', {
  host_id: column.uuid().primary(),
  generation: column.unsigned('int'),
  friendly_name: column.text(255),
  ip_address: column.ascii(45),
  removed_at: column.datetime(),
  removed_by: column.text(128),
  reason: column.text(500).nullable(),
  removal: column.ascii<'purge' | 'clean_up'>(16),
  plan_id: column.uuid().nullable(),
});

export const COUNTER_DELTA = new Table('fleet_counter_delta', {
  id: column.autoIncrement(),
  version_key: column.asciiChar(16),
  os_key: column.ascii<OsKey>(8).default(''),
  decommissioned: column.flag(),
  entries: column.signed('int'),
});

export const EVENT = new Table('event', {
  id: column.uuid().primary(),
  at: column.datetime(),
  kind: column.ascii<EventKind>(48),
  host_id: column.uuid().nullable(),
  generation: column.unsigned('int').nullable(),
  actor: column.exactText(128),
  source_address: column.ascii(45).nullable(),
  request_id: column.uuid().nullable(),
  detail: column.json(),
}).indexed({
  ix_actor: ['actor', 'at', 'id'],
  ix_at: ['at', 'id'],
  ix_host: ['host_id', 'at', 'id'],
  ix_kind: ['kind', 'at', 'id'],
});

export const AVAILABILITY_CLOCK = new Table('availability_clock', {
  id: column.unsigned('tinyint').primary(),
  available_ms: column.signed('bigint'),
  recorded_at: column.datetime(),
  run_ahead_ms: column.unsigned('int').default(0),
  unsteady_available_ms: column.signed('bigint').default(0),
  stepped_available_ms: column.signed('bigint').nullable(),
  stepped_back_available_ms: column.signed('bigint').nullable(),
  stepped_back_to: column.datetime().nullable(),
});

export const PURGE_PLAN = new Table('purge_plan', {
  id: column.uuid().primary(),
  created_at: column.datetime(),
  created_by: column.text(128),
  expires_at: column.datetime(),
  filter: column.json(),
  candidates: column.json(),
  fleet_size: column.unsigned('int').default(0),
  purges: column.unsigned('int').default(0),
  result: column.json().nullable(),
}).indexed({ ix_plan_expiry: ['expires_at'] });

export const CLEAN_UP_RUN = new Table('clean_up_run', {
  id: column.unsigned('tinyint').primary(),
  at: column.datetime(),
  replica: column.text(128),
  removed: column.unsigned('int'),
  error: column.text(500).nullable(),
});

export const MONITOR_PROGRESS = new Table('monitor_progress', {
  scan: column.ascii<MonitorScan>(32).primary(),
  position_ms: column.signed('bigint'),
  host_id: column.uuid(),
});

export const SHARED_SECRET = new Table('shared_secret', {
  name: column.ascii(32).primary(),
  value: column.varbinary(64),
  created_at: column.datetime(),
});

export const PASSPHRASE = new Table('passphrase', {
  id: column.uuid().primary(),
  hash: column.binary(32),
  created_at: column.datetime(),
  expires_at: column.datetime().nullable(),
}).indexed({ uq_hash: ['hash'] }, { unique: true });

export const API_KEY = new Table('api_key', {
  id: column.uuid().primary(),
  name: column.text(100),
  name_key: column.exactText(100).nullable(),
  hash: column.binary(32),
  role: column.ascii<Role>(16),
  prefix: column.ascii(16).default(''),
  created_at: column.datetime(),
  created_by: column.text(128).default('configuration-server'),
  expires_at: column.datetime().nullable(),
  revoked_at: column.datetime().nullable(),
  last_used_at: column.datetime().nullable(),
}).indexed({ uq_hash: ['hash'], uq_name_key: ['name_key'] }, { unique: true });

export const ENROLMENT = new Table('enrolment', {
  id: column.uuid().primary(),
  hash: column.binary(32),
  note: column.text(200),
  created_at: column.datetime(),
  created_by: column.text(128),
  expires_at: column.datetime(),
  max_registrations: column.unsigned('int'),
  registrations: column.unsigned('int').default(0),
  revoked_at: column.datetime().nullable(),
  revoked_by: column.text(128).nullable(),
}).indexed({ uq_hash: ['hash'] }, { unique: true });

export const SITE = new Table('site', {
  id: column.unsigned('tinyint').primary(),
  site_id: column.uuid(),
  epoch: column.unsigned('int'),
  epoch_id: column.uuid(),
  generation_floor: column.unsigned('int'),
  restored_at: column.datetime().nullable(),
  unfinished: column.flag(),
});

export const PRODUCT_RELEASE = new Table('product_release', {
  component: column.ascii<ReleaseComponent>(32).primary(),
  os_type: column.ascii<ReleaseOsType>(8).primary(),
  version_key: column.asciiChar(16).primary(),
  version: column.ascii(23),
  released_at: column.datetime(),
  support_ends_at: column.datetime(),
  flags: column.ascii(64),
  size_bytes: column.unsigned('bigint'),
  sha256: column.binary(32),
  download_url: column.exactText(2000).nullable(),
  package_file: column.ascii(255).nullable(),
});

export const RELEASE_CATALOGUE = new Table('release_catalogue', {
  id: column.unsigned('tinyint').primary(),
  revision: column.uuid(),
});
