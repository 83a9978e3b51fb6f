import type { Socket } from 'node:net';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { UnreadResponses } from './unread-responses.js';

const closed: string[] = [];
beforeEach(() => void (closed.length = 0));

const connection = (name: string, readableLength = 0): Socket => {
  const socket = {
    readableLength,
    destroyed: false as boolean,
    destroy: (): void => {
      closed.push(name);
      socket.destroyed = true;
    },
  };
  return socket as unknown as Socket;
};
const response = (): object => ({});

describe('unread responses', () => {
  it("are counted with their bytes and their client's unread bytes, until they are read", () => {
    const unread = new UnreadResponses({ responses: 10, bytes: 1_000 });
    const [a, b] = [connection('a', 5), connection('b')];
    const [first, second] = [response(), response()];
    unread.add(a, first, 100);
    unread.add(a, second, 10);
    unread.add(a, first, 50);
    unread.add(b, first, 1);
    expect([unread.responses, unread.bytes]).toEqual([3, 66]);
    unread.markRead(a, first);
    expect([unread.responses, unread.bytes]).toEqual([2, 16]);
    unread.markRead(a, second);
    unread.markRead(a, second);
    expect([unread.responses, unread.bytes]).toEqual([1, 1]);
    unread.remove(b);
    expect([unread.responses, unread.bytes]).toEqual([0, 0]);
  });

  it.each([
    ['bytes', { responses: 100, bytes: 30 }],
    ['responses', { responses: 3, bytes: 1_000 }],
  ])('close the connection that has read nothing for longest above the limit of %s', (_what, limits) => {
    const unread = new UnreadResponses(limits);
    const [a, b, c] = [connection('a'), connection('b'), connection('c')];
    const read = response();
    unread.add(a, read, 10);
    unread.add(a, response(), 10);
    unread.add(b, response(), 10);
    unread.markRead(a, read);
    unread.add(a, response(), 10);
    unread.add(c, response(), 10);
    expect(closed).toEqual(['b']);
    expect([unread.responses, unread.bytes, unread.closed]).toEqual([3, 30, 1]);
  });

  it('of a closed connection are not counted', () => {
    const unread = new UnreadResponses({ responses: 1, bytes: 10 });
    const a = connection('a');
    unread.add(a, response(), 11);
    unread.add(a, response(), 1);
    expect([closed, unread.responses, unread.bytes]).toEqual([['a'], 0, 0]);
  });
});
