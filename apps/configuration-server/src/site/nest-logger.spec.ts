import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { nestLogger } from './nest-logger.js';

it("writes Nest's messages as lines of the server's log, those of a normal start only for debugging", () => {
  const lines: string[] = [];
  const logger = pino({ level: 'info', base: null, timestamp: false }, { write: (line: string) => lines.push(line) });
  const nest = nestLogger(logger);
  nest.log('Mapped {/v1/fleet, GET} route', 'RouterExplorer');
  nest.warn('a warning', 'NestFactory');
  nest.error(new TypeError('a hook failed'), 'the stack');
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
    { level: 40, details: ['NestFactory'], msg: 'a warning' },
    { level: 50, err: expect.objectContaining({ type: 'TypeError', message: 'a hook failed' }), msg: 'a hook failed' },
  ]);
});
