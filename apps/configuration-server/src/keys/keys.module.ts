import { Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { KeyService } from '@app/fleet';
import { KeyRingStore } from '@app/fleet-mysql';
import { RandomSecretGenerator } from '@app/platform';
import { APP_OPTIONS } from '../site/app-options.js';
import { Jobs } from '../site/jobs.js';
import { provide } from '../site/provide.js';
import { KeysController } from './keys.controller.js';

const KEY_USAGE_FLUSH_MS = 30_000;
const ROTATION_RECOVERY_MS = 5_000;

/** API keys and passphrases. */
@Module({
  controllers: [KeysController],
  providers: [
    provide(
      KeyService,
      [KeyRingStore, APP_OPTIONS],
      (keys, { passphraseFile, identifiers, clock, settings: { passphraseOverlapSeconds } }) =>
        new KeyService(keys, new RandomSecretGenerator(), passphraseFile, identifiers, clock, passphraseOverlapSeconds),
    ),
  ],
})
export class KeysModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly keyService: KeyService,
    private readonly keys: KeyRingStore,
    jobs: Jobs,
  ) {
    jobs.add('key-usage-flush', KEY_USAGE_FLUSH_MS, () => keys.flushKeyUsage());
    jobs.add('rotation-recovery', ROTATION_RECOVERY_MS, () => keyService.recoverRotation());
  }

  /** Recovers a passphrase rotation that an earlier start left unfinished. */
  onModuleInit(): Promise<void> {
    return this.keyService.recoverRotation();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.keys.flushKeyUsage().catch(() => undefined); // the shutdown succeeds without it
  }
}
