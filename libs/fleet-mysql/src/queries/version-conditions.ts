import type { VersionException, VersionRules, VersionStatus } from '@app/fleet';
import { sqlFragment, type SqlFragment } from './sql-fragment.js';

const OS_KEYS = ['', 'Windows', 'Linux'] as const;

/** Part of the index on version and operating system. */
const exactly = (versionKey: string, osKeys: readonly string[]): SqlFragment =>
  sqlFragment('(p.version_key = ? AND p.os_key IN (?))', versionKey, osKeys);

function anyOf(parts: readonly SqlFragment[]): SqlFragment {
  const [only] = parts;
  if (!only) return sqlFragment('FALSE');
  if (parts.length === 1) return only;
  return sqlFragment(`(${parts.map(({ sql }) => sql).join(' OR ')})`, ...parts.flatMap(({ parameters }) => parameters));
}

/** The verdict of the rules in SQL, on the alias `p`: ranges of ix_version_key, so that only matches are read. */
export function versionCondition(status: VersionStatus, rules: VersionRules, at: Date): SqlFragment {
  const exceptions = rules.exceptions(at);
  if (status === 'Supported') return anyOf(supportedRanges(rules, exceptions));
  const exact = exceptions
    .filter((exception) => exception.status === status)
    .map(({ versionKey, osKey }) => exactly(versionKey, [osKey]));
  return anyOf(status === 'NotSupported' ? [...outsideOf(rules), ...exact] : exact);
}

/** The window, divided at the versions that are not Supported for every operating system. */
function supportedRanges({ window }: VersionRules, exceptions: readonly VersionException[]): SqlFragment[] {
  const excepted = [...new Set(exceptions.map(({ versionKey }) => versionKey))];
  const ranges = window.flatMap(({ from, to }) => {
    const inside = excepted.filter((key) => key >= from && key <= to);
    if (inside.length === 0) return [sqlFragment('p.version_key BETWEEN ? AND ?', from, to)];
    const starts = ['p.version_key >= ?', ...inside.map(() => 'p.version_key > ?')];
    const ends = [...inside.map(() => 'p.version_key < ?'), 'p.version_key <= ?'];
    const froms = [from, ...inside];
    const tos = [...inside, to];
    return starts.map((start, index) => sqlFragment(`(${start} AND ${ends[index]})`, froms[index], tos[index]));
  });
  const others = excepted.map((key) => {
    const ofKey = exceptions.filter(({ versionKey }) => versionKey === key).map(({ osKey }) => osKey as string);
    return exactly(
      key,
      OS_KEYS.filter((osKey) => !ofKey.includes(osKey)),
    );
  });
  return [...ranges, ...others];
}

/** The ranges before, between and after those of the window. */
function outsideOf({ window }: VersionRules): SqlFragment[] {
  const ends = window.map(({ to }) => to);
  return [
    sqlFragment('p.version_key < ?', window[0]?.from),
    ...window
      .slice(1)
      .map(({ from }, index) => sqlFragment('(p.version_key > ? AND p.version_key < ?)', ends[index], from)),
    sqlFragment('p.version_key > ?', ends.at(-1)),
  ];
}
