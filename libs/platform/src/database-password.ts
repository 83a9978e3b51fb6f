const SECTION = /^\s*\[(.*?)\]\s*$/;
const CREDENTIALS = 'mysqlcredentials';

/**
 * Reads the password from the content of a file: the whole text without surrounding white space or, with a section
 * `[MySQLCredentials]`, the value of `MySQLUserPassword` (`MySQLRootPassword` for `root`). A value extends to the end
 * of its line, including `#` and `;`.
 * @throws Error that names a missing key.
 */
export function databasePassword(content: string, user: string): string {
  const text = content.replace(/^\uFEFF/, '');
  const lines = text.split(/\r\n|\r|\n/);
  if (!lines.some((line) => SECTION.exec(line)?.[1]?.trim().toLowerCase() === CREDENTIALS)) return text.trim();
  const values = new Map<string, string>();
  let section = '';
  for (const line of lines) {
    section = SECTION.exec(line)?.[1]?.trim().toLowerCase() ?? section;
    const [, name, value] = /^\s*([^=;#\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (section === CREDENTIALS && name !== undefined && value !== undefined)
      values.set(name.toLowerCase(), unquoted(value));
  }
  const key = user === 'root' ? 'MySQLRootPassword' : 'MySQLUserPassword';
  const password = values.get(key.toLowerCase());
  if (password === undefined) throw new Error(`${key} is missing in [MySQLCredentials]`);
  return password;
}

const unquoted = (value: string): string => /^"(.*)"$/.exec(value)?.[1] ?? /^'(.*)'$/.exec(value)?.[1] ?? value;
