import { expect } from '@jest/globals';
import type { ProblemCode } from '@app/wire';
import { expectProblem } from './expect-problem.js';
import type { Answer, TestSite } from './test-site.js';

/** Without the events of refused callers. */
async function fingerprintOf(site: TestSite): Promise<string> {
  await site.database.write('DELETE FROM event WHERE kind LIKE ? AND host_id IS NULL', ['refused%']);
  return site.fingerprint();
}

/** A site of which every call is to be refused: what was written before stays as it was. */
export class UntouchedSite {
  private constructor(
    private readonly site: TestSite,
    private before: string,
  ) {}

  static async of(site: TestSite): Promise<UntouchedSite> {
    return new UntouchedSite(site, await fingerprintOf(site));
  }

  /** Refused whole: nothing is written, no error is logged, and the server goes on. */
  async refused(answer: Answer, code: ProblemCode, field?: string): Promise<void> {
    expectProblem(answer, code);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    const { errors } = answer.body as { errors?: { field: string; message: string }[] };
    if (code === 'validation_failed') {
      expect(errors?.length).toBeGreaterThan(0);
      for (const error of errors ?? [])
        expect(error).toEqual({ field: expect.stringMatching(/./), message: expect.stringMatching(/./) });
    }
    if (field) expect(errors?.map((error) => error.field)).toContain(field);
    await this.untouched();
  }

  async untouched(): Promise<void> {
    const [was, errors] = [this.before, this.site.errorLines];
    this.before = await fingerprintOf(this.site);
    this.site.log.length = 0;
    expect({ written: this.before !== was, errors }).toEqual({ written: false, errors: [] });
    expect((await this.site.call('GET', '/health/ready')).status).toBe(200);
  }
}
