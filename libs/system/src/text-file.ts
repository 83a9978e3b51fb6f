import { readFileSync } from 'node:fs';

const UTF8_MARK = '\ufeff';
const UTF16_MARKS = ['fffe', 'feff'];

/**
 * Decodes the text of a file that may have been saved by a Windows editor: a UTF-8 byte order mark is removed.
 * @throws Error for UTF-16, which `>` and `Out-File` of Windows PowerShell 5.1 write.
 */
export function decodeText(bytes: Buffer): string {
  if (UTF16_MARKS.includes(bytes.toString('hex', 0, 2)) || bytes.includes(0)) {
    throw new Error('the file is in UTF-16; save it as UTF-8 (in Windows PowerShell: Set-Content -Encoding utf8)');
  }
  const text = bytes.toString('utf8');
  return text.startsWith(UTF8_MARK) ? text.slice(UTF8_MARK.length) : text;
}

/** @throws Error as `decodeText`, or of the file system. */
export const readTextFile = (path: string): string => decodeText(readFileSync(path));
