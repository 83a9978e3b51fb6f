import { describe, expect, it } from '@jest/globals';
import { nameKey, normalizedName } from './name.js';

describe('names', () => {
  it.each([
    ['PS-Berlin', 'ps-bERLIN'],
    ['mün', 'mu\u0308n'],
    ['MÜN', 'mu\u0308n'],
    ['ΑΣ', 'ας'],
    ['ΑΣ', 'ασ'],
    ['STRAẞE', 'straße'],
    ['ſtadt', 'Stadt'],
    ['Ꭰ', 'ꭰ'],
    ['ΐ', '\u1fd3'],
  ])('%s and %s are the same name', (one, other) => {
    expect(nameKey(one)).toBe(nameKey(other));
  });

  it.each([
    ['ホスト', 'ポスト'],
    ['ホスト', 'ほすと'],
    ['Muller', 'Müller'],
    ['pé', 'pe'],
    ['Øst', 'Ost'],
    ['ⅷ', 'viii'],
    ['ﬁx', 'fix'],
    ['ısi', 'isi'],
    ['a b', 'a  b'],
  ])('%s and %s are different names', (one, other) => {
    expect(nameKey(one)).not.toBe(nameKey(other));
  });

  it('are stored in NFC with their case unchanged', () => {
    expect(normalizedName('Mu\u0308n')).toBe('Mün');
  });

  it('fold the case of every code point as Unicode does', () => {
    const cased: string[] = [];
    for (let point = 0; point < 0x110000; point += 1) {
      const text = point >= 0xd800 && point < 0xe000 ? '' : String.fromCodePoint(point);
      if (/\p{Changes_When_Casemapped}/u.test(text)) cased.push(text);
    }
    const all = cased.join('');
    const wrong = cased.flatMap((one) =>
      [...all.matchAll(new RegExp(one, 'giu'))]
        .filter(([other]) => nameKey(one) !== nameKey(other))
        .map(([other]) => one + other),
    );
    expect(cased.length).toBeGreaterThan(2_000);
    expect(wrong).toEqual(['ﬅﬆ', 'ﬆﬅ']); // two ligatures of one pair of letters, in lower case both
  });

  it('have a key that begins with the key of every prefix', () => {
    const name = 'ΣΑΣ-STRAẞE-İ-ŉ-ΐ-MÜN';
    for (let end = 1; end <= name.length; end += 1)
      expect(nameKey(name).startsWith(nameKey(name.slice(0, end)))).toBe(true);
  });

  it('have a key that is never longer than the name', () => {
    for (const letter of ['ß', 'İ', 'ﬃ', 'ΐ', 'ǰ', 'ŉ', '𝅘𝅥', 'क़'].map(normalizedName))
      expect([...nameKey(letter.repeat(85))].length).toBeLessThanOrEqual([...letter].length * 85);
  });
});
