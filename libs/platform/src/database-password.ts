const SECTION = /^\s*\[(.*?)\]\s*$/;
const CREDENTIALS = 'mysqlcredentials';

/**
 * The password that a file holds: all of it but for white space around, or, where it has a section `[MySQLCredentials]`, the value of
 * `MySQLUserPassword`, of `MySQLRootPassword` for `root`. A value ends with its line, so that `#` and `;` are part of it.
 * @throws Error that names the line that is missing.
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
