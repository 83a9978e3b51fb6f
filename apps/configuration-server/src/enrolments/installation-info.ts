import {
  type Clock,
  formatVersion,
  installCommand,
  newestInstallable,
  RELEASE_OS_TYPES,
  type EnrolmentService,
  type IssuedEnrolment,
  type Releases,
  type ReleaseOsType,
  type Version,
} from '@app/fleet';
import type { EnrolmentFile, EnrolmentInfo, PackageDto } from '@app/api-contract';
import type { ConnectionInfo } from './connection-info.js';
import { toEnrolmentFile, toPackageDto } from './enrolment.mapper.js';

/** What a new process server needs: connection, version and package. */
export class InstallationInfo {
  constructor(
    private readonly enrolments: EnrolmentService,
    private readonly releases: Releases,
    private readonly connection: ConnectionInfo,
    private readonly version: Version,
    private readonly clock: Clock,
  ) {}

  async describe(osType: ReleaseOsType): Promise<EnrolmentInfo> {
    const connection = this.connection.current();
    const [address = ''] = connection.addresses;
    return {
      siteId: await this.enrolments.siteId(),
      ...connection,
      requiredVersion: formatVersion(this.version),
      package: (await this.packagesOf([osType]))[0] ?? null,
      command: installCommand(address, connection.port),
    };
  }

  /** Reads the catalogue before `create` issues the token: a failure afterwards would lose it. */
  async withFile(create: () => Promise<IssuedEnrolment>): Promise<{
    readonly enrolment: IssuedEnrolment['enrolment'];
    readonly file: EnrolmentFile;
  }> {
    const packages = await this.packagesOf(RELEASE_OS_TYPES);
    const issued = await create();
    const file = toEnrolmentFile(issued, this.connection.current(), formatVersion(this.version), packages);
    return { enrolment: issued.enrolment, file };
  }

  private async packagesOf(osTypes: readonly ReleaseOsType[]): Promise<PackageDto[]> {
    const releases = await this.releases.all();
    const connection = this.connection.current();
    const now = this.clock.now();
    return osTypes.flatMap((osType) => {
      const release = newestInstallable(releases, this.version, osType, now);
      return release ? [toPackageDto(release, connection)] : [];
    });
  }
}
