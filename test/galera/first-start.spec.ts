import { expect, it } from '@jest/globals';
import { ProgramCluster } from './program-cluster.js';

it.each([1, 2, 3])(
  'two replicas that start concurrently on two nodes and an empty schema both serve, with one set of initial secrets (%d)',
  async () => {
    const cluster = await ProgramCluster.open([]);
    try {
      await cluster.startAt([0, 1]);
      const kinds = await cluster.rows<{ kind: string }>(
        `SELECT kind FROM event WHERE kind IN ('passphrase_created', 'api_key_created') ORDER BY kind`,
      );
      expect(kinds.map(({ kind }) => kind)).toEqual(['api_key_created', 'passphrase_created']);
      for (const replica of [0, 1])
        expect((await cluster.call(replica, 'GET', '', cluster.asOperator)).status).toBe(200);
    } finally {
      await cluster.close();
    }
  },
);
