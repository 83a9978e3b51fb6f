import { readFileSync } from 'node:fs';

const UTF8_MARK = '\ufeff';
const UTF16_MARKS = ['fffe', 'feff'];

/**
 * The text of a file that a person may have saved with an editor of Windows: a byte order mark of UTF-8 is not part of it.
 * @throws Error for UTF-16, as `>` and `Out-File` of Windows PowerShell 5.1 write it.
 */
export function decodeText(bytes: Buffer): string {
  if (UTF16_MARKS.includes(bytes.toString('hex', 0, 2)) || bytes.includes(0)) {
    throw new Error('the file is in UTF-16; save it as UTF-8 (in Windows PowerShell: Set-Content -Encoding utf8)');
  }
  const text = bytes.toString('utf8');
  return text.startsWith(UTF8_MARK) ? text.slice(UTF8_MARK.length) : text;
}

/** @throws Error as `decodeText`, and what reading fails with. */
export const readTextFile = (path: string): string => decodeText(readFileSync(path));
