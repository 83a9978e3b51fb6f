import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ListeningClock } from './listening-clock.js';
import { earliestWallInstant, listenedMsAt, LONGEST_COUNTED_GAP_MS, noteListening, type Listening } from './listening.js';
import { ListeningNotes, type Clock } from './ports.js';
import { msAfter, NOON } from './testing/examples.js';

const noted: Listening = { listenedMs: 500_000, notedAt: NOON };

describe('the listening clock', () => {
  it.each([
    [-60_000, 0],
    [-1, 0],
    [0, 0],
    [1, 1],
    [14_999, 14_999],
    [15_000, 15_000],
    [15_001, 15_000],
    [7_200_000, 15_000],
  ])('%d ms after a note has moved by %d ms', (ms, movedMs) => {
    expect(listenedMsAt(noted, msAfter(NOON, ms))).toBe(500_000 + movedMs);
  });

  it.each([
    [1, 1, false],
    [5_000, 5_000, false],
    [15_000, 15_000, false],
    [15_001, 15_000, true],
    [7_200_000, 15_000, true],
  ])('noted %d ms after the note before counts %d ms of them; an outage ends: %s', (ms, countedMs, isOutage) => {
    const now = msAfter(NOON, ms);
    expect(noteListening(noted, now)).toEqual({
      next: { listenedMs: 500_000 + countedMs, notedAt: now },
      outage: isOutage ? { from: NOON, to: now } : null,
    });
  });

  it.each([0, -1, -60_000])('is not moved by a note that is %d ms later', (ms) => {
    expect(noteListening(noted, msAfter(NOON, ms))).toEqual({ next: noted, outage: null });
  });

  it('tells the earliest instant that a lease can end at', () => {
    expect(earliestWallInstant(560_000, 500_000, NOON)).toEqual(msAfter(NOON, 60_000));
    expect(earliestWallInstant(440_000, 500_000, NOON)).toEqual(msAfter(NOON, -60_000));
  });

  it('never goes back, never outruns the wall, and a stale copy never runs ahead of it', () => {
    const gapsMs = fc.array(fc.integer({ min: -5_000, max: 40_000 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(gapsMs, fc.nat(12), fc.integer({ min: 0, max: 60_000 }), (gaps, staleAt, aheadMs) => {
        let row = noted;
        let latest = NOON;
        const rows = [row];
        for (const gapMs of gaps) {
          const now = msAfter(latest, gapMs);
          const { next } = noteListening(row, now);
          expect(next.listenedMs).toBeGreaterThanOrEqual(row.listenedMs);
          expect(next.listenedMs - row.listenedMs).toBeLessThanOrEqual(Math.max(0, next.notedAt.getTime() - row.notedAt.getTime()));
          expect(next.listenedMs).toBe(listenedMsAt(row, next.notedAt));
          row = next;
          rows.push(row);
          latest = now > latest ? now : latest;
        }
        const stale = rows[Math.min(staleAt, rows.length - 1)] ?? row;
        const at = msAfter(latest, aheadMs);
        expect(listenedMsAt(stale, at)).toBeLessThanOrEqual(listenedMsAt(row, at));
      }),
    );
  });

  it('counts of a silence only what somebody could have heard', () => {
    const counted = fc.array(fc.integer({ min: 1, max: 40_000 }), { maxLength: 20 });
    fc.assert(
      fc.property(counted, (gaps) => {
        let row = noted;
        for (const gapMs of gaps) row = noteListening(row, msAfter(row.notedAt, gapMs)).next;
        const heardMs = gaps.reduce((sum, gapMs) => sum + Math.min(gapMs, LONGEST_COUNTED_GAP_MS), 0);
        expect(row.listenedMs).toBe(noted.listenedMs + heardMs);
      }),
    );
  });
});

/** The row of all replicas, without a database. */
class ListeningRow extends ListeningNotes {
  row: Listening | null = null;

  override async note(now: Date): ReturnType<ListeningNotes['note']> {
    const { next, outage } = this.row ? noteListening(this.row, now) : { next: { listenedMs: 0, notedAt: now }, outage: null };
    this.row = next;
    return { listening: next, outage };
  }
}

describe("a replica's copy of the listening clock", () => {
  const at = (instant: { now: Date }): Clock => ({ now: () => instant.now });

  it('cannot be read before its first note, and does not listen', () => {
    const clock = new ListeningClock(new ListeningRow(), at({ now: NOON }));
    expect(clock.isListening(NOON)).toBe(false);
    expect(() => clock.listenedMsAt(NOON)).toThrow('before its first note');
  });

  it.each([
    [0, true],
    [14_999, true],
    [15_000, false],
    [60_000, false],
  ])('%d ms after its own note listens: %s', async (ms, listens) => {
    const clock = new ListeningClock(new ListeningRow(), at({ now: NOON }));
    await clock.note();
    expect(clock.isListening(msAfter(NOON, ms))).toBe(listens);
  });

  it('takes over what another replica has noted, and tells the outage that its own note ends', async () => {
    const row = new ListeningRow();
    const time = { now: NOON };
    const [one, other] = [new ListeningClock(row, at(time)), new ListeningClock(row, at(time))];
    await one.note();
    time.now = msAfter(NOON, 10_000);
    expect(await other.note()).toBeNull();
    expect([one.listenedMsAt(time.now), other.listenedMsAt(time.now)]).toEqual([10_000, 10_000]);
    time.now = msAfter(NOON, 40_000);
    expect(await one.note()).toEqual({ from: msAfter(NOON, 10_000), to: time.now });
    expect([one.listenedMsAt(time.now), other.listenedMsAt(time.now)]).toEqual([25_000, 25_000]);
  });
});
