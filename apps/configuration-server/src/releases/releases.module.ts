import { Module } from '@nestjs/common';
import { Clock } from '@app/fleet';
import { ReleaseStore } from '@app/fleet-mysql';
import { construct } from '../site/provide.js';
import { ReleaseCatalogueService } from './release-catalogue.service.js';
import { ReleasesController } from './releases.controller.js';

/** The release catalogue. */
@Module({
  controllers: [ReleasesController],
  providers: [construct(ReleaseCatalogueService, [ReleaseStore, Clock])],
})
export class ReleasesModule {}
