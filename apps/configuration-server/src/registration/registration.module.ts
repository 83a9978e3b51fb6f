import { Module } from '@nestjs/common';
import { HeartbeatReceiver, Randomness, RegistrationRate, RegistrationService, Registry } from '@app/fleet';
import { ReleaseStore } from '@app/fleet-mysql';
import { HmacCredentials } from '@app/platform';
import { AccessModule } from '../access/access.module.js';
import { addressBlockOf } from '../access/failed-attempts.js';
import { HeartbeatsModule } from '../heartbeats/heartbeats.module.js';
import { APP_OPTIONS } from '../site/app-options.js';
import { provide } from '../site/provide.js';
import { RegistrationController } from './registration.controller.js';

/** Registration and preflight. */
@Module({
  imports: [AccessModule, HeartbeatsModule],
  controllers: [RegistrationController],
  providers: [
    provide(
      RegistrationRate,
      [APP_OPTIONS],
      ({ clock, randomness, settings }) =>
        new RegistrationRate(clock, randomness, settings.registrations, addressBlockOf),
    ),
    provide(
      RegistrationService,
      [Registry, HmacCredentials, Randomness, HeartbeatReceiver, ReleaseStore, APP_OPTIONS, RegistrationRate],
      (registry, credentials, randomness, receiver, versions, { settings }, rate) => {
        const { version, versionPolicy, lease: leaseTiming, reregistrationProof: proofPolicy } = settings;
        const policy = { version, versions, versionPolicy, leaseTiming, proofPolicy };
        return new RegistrationService(registry, credentials, randomness, () => receiver.fleetSize, policy, rate);
      },
    ),
  ],
})
export class RegistrationModule {}
