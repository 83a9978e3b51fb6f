import { describe, expect, it } from '@jest/globals';
import { requestedRange } from './byte-range.js';

const SIZE = 100;

describe('the requested range of 100 bytes', () => {
  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=0-99', 0, 99],
    ['bytes=0-', 0, 99],
    ['bytes=5-', 5, 99],
    ['bytes=99-99', 99, 99],
    ['bytes=99-', 99, 99],
    ['bytes=10-100', 10, 99],
    [`bytes=10-${'9'.repeat(400)}`, 10, 99],
    ['bytes=-1', 99, 99],
    ['bytes=-100', 0, 99],
    ['bytes=-101', 0, 99],
    [`bytes=-${'9'.repeat(400)}`, 0, 99],
    ['BYTES=1-2', 1, 2],
    [' bytes=1-2 ', 1, 2],
    ['bytes= 1-2', 1, 2],
  ])('%s is from %d to %d', (header, first, last) => {
    expect(requestedRange(header, SIZE)).toEqual({ first, last });
  });

  it.each([undefined, 'items=0-1', 'bytes=0-0,-1', 'bytes=0-0, 5-9', 'bytes=100-,200-'])(
    '%s is all of it',
    (header) => {
      expect(requestedRange(header, SIZE)).toBeNull();
    },
  );

  it.each([
    'bytes=100-',
    'bytes=100-200',
    `bytes=${'9'.repeat(400)}-`,
    'bytes=-0',
    'bytes=5-4',
    'bytes=',
    'bytes=-',
    'bytes=,',
    'bytes=a-b',
    'bytes=1-2-3',
    'bytes=--1',
    'bytes=1.5-2',
    'bytes=+1-2',
    'bytes=0x1-2',
    'bytes=0-0,a',
    'bytes=0-0,5-4',
    'bytes=0-0, bytes=1-1',
    'bytes 0-1',
    'bytes',
    '',
  ])('%j is unsatisfiable', (header) => {
    expect(requestedRange(header, SIZE)).toBe('unsatisfiable');
  });
});
