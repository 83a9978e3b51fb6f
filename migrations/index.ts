import { CreateProcessServer1795400000001 } from './1795400000001-create-process-server.js';
import { CreateProcessServerLease1795400000002 } from './1795400000002-create-process-server-lease.js';
import { CreateProcessServerHealth1795400000003 } from './1795400000003-create-process-server-health.js';
import { CreateTombstone1795400000004 } from './1795400000004-create-tombstone.js';
import { CreateEvent1795400000005 } from './1795400000005-create-event.js';
import { CreateListening1795400000006 } from './1795400000006-create-listening.js';
import { CreatePurgePlan1795400000007 } from './1795400000007-create-purge-plan.js';
import { CreateCleanUpPass1795400000008 } from './1795400000008-create-clean-up-pass.js';
import { CreateSecret1795400000009 } from './1795400000009-create-secret.js';
import { CreatePassphrase1795400000010 } from './1795400000010-create-passphrase.js';
import { CreateApiKey1795400000011 } from './1795400000011-create-api-key.js';
import { CreateProcessServerName1795400000012 } from './1795400000012-create-process-server-name.js';
import { KeepReplacedInstances1795400000013 } from './1795400000013-keep-replaced-instances.js';
import { DropPreviousInstance1795400000014 } from './1795400000014-drop-previous-instance.js';
import { CompareActorsExactly1795400000015 } from './1795400000015-compare-actors-exactly.js';
import { KeepFleetSizeOfPlans1795400000016 } from './1795400000016-keep-fleet-size-of-plans.js';
import { CreateFleetTally1795400000017 } from './1795400000017-create-fleet-tally.js';
import { FillFleetTally1795400000018 } from './1795400000018-fill-fleet-tally.js';
import { FindHealthByIndex1795400000019 } from './1795400000019-find-health-by-index.js';
import { FillLoadSlots1795400000020 } from './1795400000020-fill-load-slots.js';
import { DescribeApiKeys1795400000021 } from './1795400000021-describe-api-keys.js';
import { FindByPassphrase1795400000022 } from './1795400000022-find-by-passphrase.js';
import { KeepWhereEventsCameFrom1795400000023 } from './1795400000023-keep-where-events-came-from.js';
import { KeepIgnoredFields1795400000024 } from './1795400000024-keep-ignored-fields.js';
import { BoundEventsOfHeartbeats1795400000025 } from './1795400000025-bound-events-of-heartbeats.js';
import { KeepUnknownMachineCounts1795400000026 } from './1795400000026-keep-unknown-machine-counts.js';
import { NoteClockSteps1795400000027 } from './1795400000027-note-clock-steps.js';
import { DecommissionOnAvailability1795400000028 } from './1795400000028-decommission-on-availability.js';
import { KeepWhenReportsCame1795400000029 } from './1795400000029-keep-when-reports-came.js';
import { AddNameKeys1795400000032 } from './1795400000032-add-name-keys.js';
import { FillNameKeys1795400000033 } from './1795400000033-fill-name-keys.js';
import { CompareNamesByKey1795400000034 } from './1795400000034-compare-names-by-key.js';
import { NoteFirstHeartbeats1795400000035 } from './1795400000035-note-first-heartbeats.js';
import { CreateSite1795400000039 } from './1795400000039-create-site.js';

/** Every schema change in order. One DDL statement each, re-runnable: a server killed in the middle starts again where it was. */
export const MIGRATIONS = [
  CreateProcessServer1795400000001,
  CreateProcessServerLease1795400000002,
  CreateProcessServerHealth1795400000003,
  CreateTombstone1795400000004,
  CreateEvent1795400000005,
  CreateListening1795400000006,
  CreatePurgePlan1795400000007,
  CreateCleanUpPass1795400000008,
  CreateSecret1795400000009,
  CreatePassphrase1795400000010,
  CreateApiKey1795400000011,
  CreateProcessServerName1795400000012,
  KeepReplacedInstances1795400000013,
  DropPreviousInstance1795400000014,
  CompareActorsExactly1795400000015,
  KeepFleetSizeOfPlans1795400000016,
  CreateFleetTally1795400000017,
  FillFleetTally1795400000018,
  FindHealthByIndex1795400000019,
  FillLoadSlots1795400000020,
  DescribeApiKeys1795400000021,
  FindByPassphrase1795400000022,
  KeepWhereEventsCameFrom1795400000023,
  KeepIgnoredFields1795400000024,
  BoundEventsOfHeartbeats1795400000025,
  KeepUnknownMachineCounts1795400000026,
  NoteClockSteps1795400000027,
  DecommissionOnAvailability1795400000028,
  KeepWhenReportsCame1795400000029,
  AddNameKeys1795400000032,
  FillNameKeys1795400000033,
  CompareNamesByKey1795400000034,
  NoteFirstHeartbeats1795400000035,
  CreateSite1795400000039,
];
