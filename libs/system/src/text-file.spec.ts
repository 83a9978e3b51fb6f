import { describe, expect, it } from '@jest/globals';
import { decodeText } from './text-file.js';

describe('decodeText', () => {
  it.each([
    ['', ''],
    ['a=1\r\nb=é\n', 'a=1\r\nb=é\n'],
    ['\ufeffa', 'a'],
    ['\ufeff', ''],
    ['a\ufeffb', 'a\ufeffb'],
  ])('decodes UTF-8 %j as %j', (written, text) => {
    expect(decodeText(Buffer.from(written))).toBe(text);
  });

  it.each([
    ['little-endian', Buffer.from('\ufeffA=1', 'utf16le')],
    ['big-endian', Buffer.from('\ufeffA=1', 'utf16le').swap16()],
    ['little-endian, without a mark', Buffer.from('A=1', 'utf16le')],
  ])('rejects UTF-16: %s', (_what, bytes) => {
    expect(() => decodeText(bytes)).toThrow('the file is in UTF-16; save it as UTF-8');
  });
});
