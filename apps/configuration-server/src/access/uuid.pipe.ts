import { type PipeTransform } from '@nestjs/common';
import { canonicalHostId } from '@app/api-contract';
import { RequestProblem } from '../problems/request-problem.js';

/** Validates a UUID in the path and returns its canonical lower case. */
export class UuidPipe implements PipeTransform<string, string> {
  constructor(private readonly name: string) {}

  transform(given: string): string {
    const canonical = canonicalHostId(given);
    if (!canonical) throw RequestProblem.field(this.name, `${this.name} must be a UUID`);
    return canonical;
  }
}

export const hostIdPipe = new UuidPipe('hostId');
export const planIdPipe = new UuidPipe('planId');
export const keyIdPipe = new UuidPipe('keyId');
export const enrolmentIdPipe = new UuidPipe('enrolmentId');
