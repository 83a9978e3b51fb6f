import type { PipeTransform } from '@nestjs/common';
import { HeartbeatRequest, lenientReader, type Reading } from '@app/api-contract';
import { RequestProblem } from '../problems/request-problem.js';

const read = lenientReader(HeartbeatRequest);

/** Reads a heartbeat member by member: an unusable optional member does not reject it. */
export class HeartbeatBodyPipe implements PipeTransform<unknown, Reading<HeartbeatRequest>> {
  /** @throws RequestProblem `validation_failed` if the body is not an object or has no usable generation. */
  transform(body: unknown): Reading<HeartbeatRequest> {
    const reading = read(body);
    if (!reading) throw RequestProblem.field('body', 'the body must be a JSON object');
    if (reading.errors.length > 0) throw RequestProblem.fields(reading.errors);
    return reading;
  }
}
