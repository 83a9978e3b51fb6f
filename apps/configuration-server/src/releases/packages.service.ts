import { compareReleases, FleetError, type Release, type ReleaseKey, type Releases } from '@app/fleet';
import type { ProblemCode } from '@app/api-contract';
import type { ByteRange } from '../edge/byte-range.js';
import { RequestProblem } from '../problems/request-problem.js';
import {
  PackageError,
  type ExpectedPackage,
  type OpenPackage,
  type PackageDirectory,
  type PackageFault,
} from './package-directory.js';
import { PackageStream } from './package-stream.js';

export interface PackageLimits {
  /** Concurrent downloads at this replica, and of them from one address. */
  readonly downloads: number;
  readonly downloadsPerAddress: number;
  /** Time in which a call waits for the SHA-256 of a file. */
  readonly maxWaitMs: number;
  /** A download that is not read for this long is ended, because it would block other downloads. */
  readonly maxUnreadMs: number;
}

export const PACKAGE_LIMITS: PackageLimits = {
  downloads: 64,
  downloadsPerAddress: 16,
  maxWaitMs: 3_000,
  maxUnreadMs: 40_000,
};

/** A release with a package in the packages directory. */
export type PackagedRelease = Release & ExpectedPackage;

const FAULTS: Record<PackageFault, (name: string, found: string) => string> = {
  no_directory: () => 'PACKAGES_DIRECTORY is not set.',
  not_found: (name) => `The packages directory has no file ${name}.`,
  not_a_file: (name) => `${name} in the packages directory is not a readable regular file; links are not followed.`,
  size: (name, found) => `${name} in the packages directory has ${found} bytes.`,
  sha256: (name, found) => `${name} in the packages directory has the SHA-256 ${found}.`,
  not_measured: (name) => `The SHA-256 of ${name} is being computed. Repeat the call.`,
};

type ProblemByFault = Record<PackageFault, { readonly code: ProblemCode; readonly field?: string }>;
const PENDING = { code: 'package_verification_pending' } as const;
const UNUSABLE = { code: 'package_file_not_usable', field: 'packageFile' } as const;
const OF_A_CHANGE: ProblemByFault = {
  no_directory: UNUSABLE,
  not_found: UNUSABLE,
  not_a_file: UNUSABLE,
  size: { code: 'package_file_mismatch', field: 'sizeBytes' },
  sha256: { code: 'package_file_mismatch', field: 'sha256' },
  not_measured: PENDING,
};
const OF_A_DOWNLOAD: ProblemByFault = {
  no_directory: { code: 'package_not_found' },
  not_found: { code: 'package_not_found' },
  not_a_file: { code: 'package_not_found' },
  size: { code: 'package_changed' },
  sha256: { code: 'package_changed' },
  not_measured: PENDING,
};

/** Checks the packages of the catalogue, and sends them. */
export class Packages {
  /** The addresses of the running downloads. */
  private readonly running: string[] = [];

  constructor(
    private readonly releases: Releases,
    private readonly directory: PackageDirectory,
    private readonly limits: PackageLimits,
  ) {}

  /**
   * Checks that a release describes its file in the packages directory.
   * @throws RequestProblem `package_file_not_usable`, `package_file_mismatch`, `package_verification_pending`.
   */
  async assertFileMatches(release: Release): Promise<void> {
    const { packageFile } = release;
    if (packageFile === null) return;
    const { handle } = await this.open({ ...release, packageFile }, OF_A_CHANGE);
    await handle.close();
  }

  /** @throws FleetError `release_not_found`. @throws RequestProblem `package_not_found` for a package elsewhere. */
  async find(key: ReleaseKey): Promise<PackagedRelease> {
    const release = (await this.releases.all()).find((other) => compareReleases(key, other) === 0);
    if (!release) throw new FleetError({ code: 'release_not_found' });
    const { packageFile, downloadUrl } = release;
    if (packageFile === null)
      throw new RequestProblem('package_not_found', `This server does not send the package: it is at ${downloadUrl}.`);
    return { ...release, packageFile };
  }

  /** @throws RequestProblem `package_not_found`, `package_changed`, `package_verification_pending`, `download_limit_reached`. */
  async download(release: PackagedRelease, range: ByteRange, address: string): Promise<PackageStream> {
    this.begin(address);
    const onClosed = (): void => void this.running.splice(this.running.indexOf(address), 1);
    try {
      const file = await this.open(release, OF_A_DOWNLOAD);
      return new PackageStream(file, range, { maxUnreadMs: this.limits.maxUnreadMs, onClosed });
    } catch (error) {
      onClosed();
      throw error;
    }
  }

  private begin(address: string): void {
    const ofAddress = this.running.filter((each) => each === address);
    if (this.running.length >= this.limits.downloads || ofAddress.length >= this.limits.downloadsPerAddress)
      throw new RequestProblem('download_limit_reached');
    this.running.push(address);
  }

  private async open(expected: ExpectedPackage, problems: ProblemByFault): Promise<OpenPackage> {
    try {
      return await this.directory.open(expected);
    } catch (error) {
      if (!(error instanceof PackageError)) throw error;
      const { code, field } = problems[error.fault];
      const message = FAULTS[error.fault](expected.packageFile, error.found);
      throw new RequestProblem(code, message, field === undefined ? undefined : [{ field, message }]);
    }
  }
}
