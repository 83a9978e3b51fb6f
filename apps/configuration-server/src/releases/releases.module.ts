import { Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Clock } from '@app/fleet';
import { ReleaseStore } from '@app/fleet-mysql';
import { APP_OPTIONS } from '../site/app-options.js';
import { Jobs } from '../site/jobs.js';
import { construct, provide } from '../site/provide.js';
import { PackageDirectory } from './package-directory.js';
import { PackagesController } from './packages.controller.js';
import { PACKAGE_LIMITS, Packages } from './packages.service.js';
import { ReleaseCatalogueService } from './release-catalogue.service.js';
import { ReleasesController } from './releases.controller.js';

/** For heartbeats and registrations, which do not wait for a read. */
const CATALOGUE_REFRESH_MS = 3_000;

/** The release catalogue and its packages. */
@Module({
  controllers: [ReleasesController, PackagesController],
  providers: [
    construct(ReleaseCatalogueService, [ReleaseStore, Packages, Clock]),
    provide(
      PackageDirectory,
      [APP_OPTIONS],
      ({ settings, packageLimits }) =>
        new PackageDirectory(settings.packagesDirectory, packageLimits?.maxWaitMs ?? PACKAGE_LIMITS.maxWaitMs),
    ),
    provide(
      Packages,
      [ReleaseStore, PackageDirectory, APP_OPTIONS],
      (releases, directory, { packageLimits }) =>
        new Packages(releases, directory, { ...PACKAGE_LIMITS, ...packageLimits }),
    ),
  ],
})
export class ReleasesModule implements OnModuleInit, OnModuleDestroy {
  constructor(
    private readonly releases: ReleaseStore,
    private readonly packageDirectory: PackageDirectory,
    jobs: Jobs,
  ) {
    jobs.add('release-catalogue', CATALOGUE_REFRESH_MS, () => releases.current());
  }

  /** Without it, the first heartbeats would be answered as with an empty catalogue. */
  async onModuleInit(): Promise<void> {
    await this.releases.current();
  }

  onModuleDestroy(): void {
    this.packageDirectory.stop();
  }
}
