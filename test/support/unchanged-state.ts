import { expect } from '@jest/globals';
import type { ProblemCode } from '@app/api-contract';
import { expectProblem } from './expect-problem.js';
import type { TestResponse, TestCluster } from './test-cluster.js';

/** Fingerprint without the events of rejected callers. */
async function fingerprintOf(cluster: TestCluster): Promise<string> {
  await cluster.database.write('DELETE FROM event WHERE kind LIKE ? AND host_id IS NULL', ['refused%']);
  return cluster.fingerprint();
}

/** Verifies that rejected requests change nothing in a cluster. */
export class UnchangedState {
  private constructor(
    private readonly cluster: TestCluster,
    private before: string,
  ) {}

  static async of(cluster: TestCluster): Promise<UnchangedState> {
    return new UnchangedState(cluster, await fingerprintOf(cluster));
  }

  /** Expects a rejection: nothing is written, no error is logged, and the server stays ready. */
  async expectRejected(response: TestResponse, code: ProblemCode, field?: string): Promise<void> {
    expectProblem(response, code);
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    const { errors } = response.body as { errors?: { field: string; message: string }[] };
    if (code === 'validation_failed') {
      expect(errors?.length).toBeGreaterThan(0);
      for (const error of errors ?? [])
        expect(error).toEqual({ field: expect.stringMatching(/./), message: expect.stringMatching(/./) });
    }
    if (field) expect(errors?.map((error) => error.field)).toContain(field);
    await this.expectUnchanged();
  }

  async expectUnchanged(): Promise<void> {
    const [previous, errors] = [this.before, this.cluster.errorLines];
    this.before = await fingerprintOf(this.cluster);
    this.cluster.log.length = 0;
    expect({ written: this.before !== previous, errors }).toEqual({ written: false, errors: [] });
    expect((await this.cluster.call('GET', '/health/ready')).status).toBe(200);
  }
}
