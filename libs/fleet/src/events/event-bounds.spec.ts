import { describe, expect, it } from '@jest/globals';
import {
  boundHeartbeatEvents,
  MAX_EVENTS_PER_HOUR,
  NO_EVENTS_YET,
  type EventBounds,
  type HeartbeatEvent,
  type HeartbeatEventKind,
} from './event-bounds.js';
import { msAfter, NOON } from '../testing/examples.js';

const HOUR = 3_600_000;
const VERSION_CHANGED: HeartbeatEvent = { kind: 'version_changed', detail: { from: '1.0.0.0', to: '1.0.0.1' } };

/** The written events of one heartbeat event at each of these times, in ms after noon. */
function eventsAt(
  times: readonly number[],
  heartbeatEvents: (turn: number) => HeartbeatEvent = () => VERSION_CHANGED,
): { at: number; detail: object }[] {
  let bounds: EventBounds = NO_EVENTS_YET;
  return times.flatMap((at, turn) => {
    const bounded = boundHeartbeatEvents([heartbeatEvents(turn)], bounds, msAfter(NOON, at));
    bounds = bounded.bounds;
    return bounded.heartbeatEvents.map(({ detail }) => ({ at, detail }));
  });
}

const every = (ms: number, times: number, from = 0): number[] =>
  Array.from({ length: times }, (_, turn) => from + turn * ms);

describe('heartbeat events of one kind', () => {
  it.each<[string, number[], number[]]>([
    ['ten in an hour are written', every(1, 10), every(1, 10)],
    ['the eleventh is not written', every(1, 30), every(1, 10)],
    ['an hour begins with its first event', [0, HOUR - 1, HOUR], [0, HOUR - 1, HOUR]],
    ['the eleventh is written after an hour', [...every(1, 11), HOUR - 1, HOUR], [...every(1, 10), HOUR]],
    [
      'two a second for three hours are limited to 10 an hour',
      every(500, (3 * HOUR) / 500),
      [...every(500, 10), ...every(500, 10, HOUR), ...every(500, 10, 2 * HOUR)],
    ],
    ['a clock that steps back a little changes nothing', [...every(1, 11), -1_000, -HOUR + 1], every(1, 10)],
    ['a clock that steps back by an hour begins another hour', [...every(1, 11), -HOUR], [...every(1, 10), -HOUR]],
    [
      'a clock that steps ahead by years and back begins one hour for each step',
      [...every(1, 11), 9_000 * HOUR, ...every(1, 11, 100)],
      [...every(1, 10), 9_000 * HOUR, ...every(1, 10, 100)],
    ],
  ])('%s', (_what, times, written) => {
    expect(eventsAt(times).map(({ at }) => at)).toEqual(written);
  });

  it('records the suppressed count only in the first event of the next hour', () => {
    const events = eventsAt([...every(1, 25), HOUR, HOUR + 1]);
    expect(events.slice(9)).toEqual([
      { at: 9, detail: VERSION_CHANGED.detail },
      { at: HOUR, detail: { ...VERSION_CHANGED.detail, suppressed: 15 } },
      { at: HOUR + 1, detail: VERSION_CHANGED.detail },
    ]);
  });

  it.each(Object.entries(MAX_EVENTS_PER_HOUR) as [HeartbeatEventKind, number][])(
    '%s is limited to %d in an hour',
    (kind, max) => {
      expect(eventsAt(every(1, 50), () => ({ kind, detail: {} }))).toHaveLength(max);
    },
  );

  it('counts each kind separately', () => {
    const { bounds } = boundHeartbeatEvents(
      Array.from({ length: 20 }, () => VERSION_CHANGED),
      NO_EVENTS_YET,
      NOON,
    );
    expect(boundHeartbeatEvents([{ kind: 'silence_ended', detail: {} }], bounds, NOON).heartbeatEvents).toHaveLength(1);
  });
});

describe('a heartbeat event with a key', () => {
  const above = (version: string): HeartbeatEvent => ({
    kind: 'version_newer_than_configuration_server',
    detail: {},
    key: version,
  });

  it('is written once, also in later hours', () => {
    const first = boundHeartbeatEvents([above('2.0.0.0')], NO_EVENTS_YET, NOON);
    expect(first.heartbeatEvents).toHaveLength(1);
    expect(boundHeartbeatEvents([above('2.0.0.0')], first.bounds, NOON)).toEqual({
      heartbeatEvents: [],
      bounds: first.bounds,
    });
    expect(boundHeartbeatEvents([above('2.0.0.0')], first.bounds, msAfter(NOON, 2 * HOUR)).heartbeatEvents).toEqual([]);
  });

  it('is limited for alternating versions', () => {
    expect(eventsAt(every(1, 100), (turn) => above(`2.0.0.${turn}`))).toHaveLength(10);
    expect(eventsAt(every(1, 100), (turn) => above(`2.0.0.${turn % 2}`))).toHaveLength(10);
  });
});

it('a heartbeat without events leaves the bounds unchanged', () => {
  const { bounds } = boundHeartbeatEvents([VERSION_CHANGED], NO_EVENTS_YET, NOON);
  expect(boundHeartbeatEvents([], bounds, NOON).bounds).toBe(bounds);
  expect(boundHeartbeatEvents([], NO_EVENTS_YET, NOON).bounds).toBe(NO_EVENTS_YET);
});
