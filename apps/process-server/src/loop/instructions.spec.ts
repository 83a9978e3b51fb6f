import { expect, it } from '@jest/globals';
import { instructionOf } from './instructions.js';

it.each([
  [true, 'none', 'none'],
  [true, 'upgrade', 'upgrade'],
  [true, undefined, 'none'],
  [true, 'dance', 'none'],
  [true, 'stop', 'none'],
  [true, 7, 'none'],
  [false, 'stop', 'stop'],
  [false, 'reregister', 'reregister'],
  [false, 'ask_operator', 'ask_operator'],
  [false, 'upgrade', 'upgrade'],
  [false, 'retry', 'retry'],
  [false, undefined, 'retry'],
  [false, 'dance', 'retry'],
  [false, 'none', 'retry'],
  [false, 'toString', 'retry'],
])('accepted %p with instruction %p means %s', (isAccepted, given, meaning) => {
  expect(instructionOf(isAccepted, given)).toBe(meaning);
});
