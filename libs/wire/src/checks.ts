import { registerDecorator, type ValidationOptions } from 'class-validator';
import ipaddr from 'ipaddr.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const INSTANT = /^(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
const VERSION = /^(\d{1,5})\.(\d{1,5})\.(\d{1,5})\.(\d{1,5})$/;
const CONTROL_CHARACTERS = /\p{Cc}/u;

/** The canonical form of a host id: lower case. Null when the text is no UUID. */
export const canonicalHostId = (text: string): string | null => (UUID.test(text) ? text.toLowerCase() : null);

/** The canonical form of an address: IPv4 dotted, IPv6 as in RFC 5952, an IPv4 address in IPv6 clothing as IPv4. Null when it is none. */
export function canonicalAddress(text: string): string | null {
  if (text.includes('%') || !ipaddr.isValid(text)) return null;
  const address = ipaddr.parse(text);
  if (address.kind() === 'ipv4') {
    const wellWritten = IPV4.test(text) && text.split('.').every((part) => String(Number(part)) === part);
    return wellWritten ? address.toString() : null;
  }
  const six = address as ipaddr.IPv6;
  return six.isIPv4MappedAddress() ? six.toIPv4Address().toString() : six.toRFC5952String();
}

/** RFC 3339 with a real calendar day, in the years that a database can keep. */
export function isInstant(text: string): boolean {
  const match = INSTANT.exec(text);
  if (!match) return false;
  const [year, month, day] = match.slice(1, 4).map(Number) as [number, number, number];
  const calendar = new Date(Date.UTC(year, month - 1, day));
  return year >= 1970 && year <= 9998 && calendar.getUTCMonth() === month - 1 && calendar.getUTCDate() === day;
}

const isVersion = (text: string): boolean => VERSION.exec(text)?.slice(1).every((part) => Number(part) <= 65_535) ?? false;
const isLabel = (text: string): boolean => text.trim().length > 0 && text.isWellFormed() && !CONTROL_CHARACTERS.test(text);
/** As a database counts: by code points. */
const isNoLongerThan = (text: string, most: number): boolean => text.length <= most || [...text].length <= most;

function textCheck(name: string, isValid: (text: string) => boolean, message: string) {
  return (options?: ValidationOptions): PropertyDecorator =>
    (target, propertyName) => {
      registerDecorator({
        name,
        target: target.constructor,
        propertyName: String(propertyName),
        options: { message: `$property ${message}`, ...options },
        validator: { validate: (value: unknown) => typeof value === 'string' && isValid(value) },
      });
    };
}

export const IsHostId = textCheck('isHostId', (text) => canonicalHostId(text) !== null, 'must be a UUID');
export const IsAddress = textCheck('isAddress', (text) => canonicalAddress(text) !== null, 'must be an IPv4 or IPv6 address');
export const IsInstant = textCheck('isInstant', isInstant, 'must be an RFC 3339 instant, e.g. 2026-11-23T09:00:00Z');
export const IsVersion = textCheck('isVersion', isVersion, 'must have four numbers from 0 to 65535, e.g. 9.63.7187.1');
/** Text for people: not blank, no control characters, well-formed Unicode, at most so many code points. */
export const IsLabel = (most: number): PropertyDecorator =>
  textCheck('isLabel', (text) => isLabel(text) && isNoLongerThan(text, most), `must be text of at most ${most} characters, without control characters`)();
