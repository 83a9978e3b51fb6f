import { InitialSchema1796000000001 } from './1796000000001-initial-schema.js';
import { HealthWindows1796000000002 } from './1796000000002-health-windows.js';
import { ReleaseCatalogue1796000000003 } from './1796000000003-release-catalogue.js';
import { Enrolments1796000000004 } from './1796000000004-enrolments.js';
import { Churn1796000000005 } from './1796000000005-churn.js';
import { Monitor1796000000006 } from './1796000000006-monitor.js';

/** All migrations in order. Each `up` is idempotent, since an interrupted one runs again (DDL is not transactional). Merged ones are never edited. */
export const MIGRATIONS = [
  InitialSchema1796000000001,
  HealthWindows1796000000002,
  ReleaseCatalogue1796000000003,
  Enrolments1796000000004,
  Churn1796000000005,
  Monitor1796000000006,
];
