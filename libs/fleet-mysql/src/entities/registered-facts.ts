import type { Environment } from '@app/fleet';
import * as column from './columns.js';

/** The columns of the registered facts, without the proxy. */
export const FACT_COLUMNS = {
  friendly_name: column.text(255),
  fqdn: column.text(255).nullable(),
  ip_address: column.ascii(45),
  data_port: column.unsigned('smallint'),
  os_type: column.text(64),
  os_version: column.text(128),
  agent_version: column.ascii(23),
  machine_id: column.exactText(128),
  environment: column.ascii<Environment>(16),
  cpu_cores: column.unsigned('smallint'),
  memory_bytes: column.unsigned('bigint'),
  cache_disk_bytes: column.unsigned('bigint'),
};
export const FACT_NAMES = Object.keys(FACT_COLUMNS) as (keyof typeof FACT_COLUMNS)[];
