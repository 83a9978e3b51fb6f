import type { PipeTransform } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import {
  parseVersion,
  RELEASE_COMPONENTS,
  RELEASE_OS_TYPES,
  type ReleaseComponent,
  type ReleaseOsType,
  type Version,
} from '@app/fleet';
import { RequestProblem } from '../problems/request-problem.js';

/** Accepts one of the names in the path, exactly as written. */
class NamePipe<Name extends string> implements PipeTransform<string, Name> {
  constructor(
    private readonly field: string,
    private readonly names: readonly Name[],
  ) {}

  transform(given: string): Name {
    const name = this.names.find((each) => each === given);
    if (name === undefined)
      throw RequestProblem.field(this.field, `${this.field} must be one of ${this.names.join(', ')}`);
    return name;
  }
}

/** Parses a version in the path. */
class VersionPipe implements PipeTransform<string, Version> {
  transform(given: string): Version {
    const version = parseVersion(given);
    if (!version)
      throw RequestProblem.field('version', 'version must have four numbers from 0 to 65535, e.g. 9.63.7187.1');
    return version;
  }
}

export const componentPipe: PipeTransform<string, ReleaseComponent> = new NamePipe('component', RELEASE_COMPONENTS);
export const osTypePipe: PipeTransform<string, ReleaseOsType> = new NamePipe('osType', RELEASE_OS_TYPES);
export const versionPipe = new VersionPipe();

export const componentParam = ApiParam({
  name: 'component',
  schema: { type: 'string', enum: [...RELEASE_COMPONENTS], example: 'ProcessServer' },
});
export const osTypeParam = ApiParam({
  name: 'osType',
  schema: { type: 'string', enum: [...RELEASE_OS_TYPES], example: 'Windows' },
});
export const versionParam = ApiParam({ name: 'version', description: 'Four numbers', type: 'string' });
