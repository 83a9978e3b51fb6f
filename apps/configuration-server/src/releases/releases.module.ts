import { Module, type OnModuleInit } from '@nestjs/common';
import { Clock } from '@app/fleet';
import { ReleaseStore } from '@app/fleet-mysql';
import { Jobs } from '../site/jobs.js';
import { construct } from '../site/provide.js';
import { ReleaseCatalogueService } from './release-catalogue.service.js';
import { ReleasesController } from './releases.controller.js';

/** For heartbeats and registrations, which do not wait for a read. */
const CATALOGUE_REFRESH_MS = 3_000;

/** The release catalogue. */
@Module({
  controllers: [ReleasesController],
  providers: [construct(ReleaseCatalogueService, [ReleaseStore, Clock])],
})
export class ReleasesModule implements OnModuleInit {
  constructor(
    private readonly releases: ReleaseStore,
    jobs: Jobs,
  ) {
    jobs.add('release-catalogue', CATALOGUE_REFRESH_MS, () => releases.current());
  }

  /** Without it, the first heartbeats would be answered as with an empty catalogue. */
  async onModuleInit(): Promise<void> {
    await this.releases.current();
  }
}
