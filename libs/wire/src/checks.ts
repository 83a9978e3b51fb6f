import { registerDecorator, type ValidationArguments, type ValidationOptions } from 'class-validator';
import ipaddr from 'ipaddr.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const INSTANT = /^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i;
/** In days. */
const SHORTEST_MONTH = 28;
const VERSION = /^(\d{1,5})\.(\d{1,5})\.(\d{1,5})\.(\d{1,5})$/;
/** Nobody sees them, or not everybody the same. Not the two joiners and the two variation selectors: letters and emoji need those to look right. */
const UNSEEN = /(?![\u200c\u200d\ufe0e\ufe0f])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
/** What nearly all labels are made of: the checks for other letters would pass it and cost more. */
const PLAIN = /^[!-~]+$/;
/** White space, the Braille cell without dots, and what only joins. */
const BLANK_START = /^[\s\u2800\u200c\u200d\ufe0e\ufe0f]/u;
const BLANK_END = /[\s\u2800]$/u;

const NO_ADDRESS = 'must be an IPv4 or IPv6 address';

/** The canonical form of a host id: lower case. Null when the text is no UUID. */
export const canonicalHostId = (text: string): string | null => (UUID.test(text) ? text.toLowerCase() : null);

/** Four numbers from 0 to 255 without leading zeros. */
const isDotted = (text: string): boolean =>
  IPV4.test(text) && text.split('.').every((part) => String(Number(part)) === part && Number(part) <= 255);

/** An IPv6 address whose end is written as an IPv4 address, in groups alone: the parser would take `::1.2.3.4` for `::ffff:1.2.3.4`. */
function inGroups(text: string): string {
  const tail = text.slice(text.lastIndexOf(':') + 1);
  if (!isDotted(tail)) return text;
  const [a = 0, b = 0, c = 0, d = 0] = tail.split('.').map(Number);
  return `${text.slice(0, -tail.length)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** The canonical form of an address: IPv4 dotted, IPv6 as in RFC 5952, an IPv4 address in IPv6 clothing as IPv4. Null when it is none. */
export function canonicalAddress(text: string): string | null {
  if (!text.includes(':')) return isDotted(text) ? text : null;
  const groups = inGroups(text);
  if (/[.%]/.test(groups) || !ipaddr.IPv6.isValid(groups)) return null;
  const six = ipaddr.IPv6.parse(groups);
  return six.isIPv4MappedAddress() ? six.toIPv4Address().toString() : six.toRFC5952String();
}

const NO_MACHINES: readonly string[] = ['unspecified', 'multicast', 'broadcast'];

/** What keeps an address from being the one that a machine is reached under. Loopback may be: a whole site can run on one machine. */
export function machineAddressFault(text: string): string | null {
  const canonical = canonicalAddress(text);
  if (canonical === null) return NO_ADDRESS;
  const range = ipaddr.parse(canonical).range();
  return NO_MACHINES.includes(range) ? `must be the address of one machine; this one is ${range}` : null;
}

/** RFC 3339 with a real calendar day, in the years that a database can keep; without leap seconds. */
export function isInstant(text: string): boolean {
  if (!INSTANT.test(text)) return false;
  const [year, month, day] = [Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8, 10))];
  if (year < 1970 || year > 9998 || month < 1 || month > 12 || day < 1) return false;
  return day <= SHORTEST_MONTH || day === new Date(Date.UTC(year, month - 1, day)).getUTCDate();
}

const isVersion = (text: string): boolean =>
  VERSION.exec(text)
    ?.slice(1)
    .every((part) => Number(part) <= 65_535) ?? false;
/** As a database counts: by code points. Names are kept in NFC, which can be longer. */
const isNoLongerThan = (text: string, most: number): boolean =>
  [text, text.normalize('NFC')].every((form) => form.length <= most || [...form].length <= most);
const codePoint = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

/** What keeps a text from being what a label begins with: all that `labelFault` says, but it may break off at white space. */
export function labelStartFault(text: string, most: number): string | null {
  if (text.length <= most && PLAIN.test(text)) return null;
  if (text === '' || !isNoLongerThan(text, most)) return `must be text of 1 to ${most} characters`;
  const [unseen] = UNSEEN.exec(text) ?? [];
  if (unseen !== undefined) return `must be one line of characters that can be seen; ${codePoint(unseen)} is none`;
  return BLANK_START.test(text) ? 'must not begin with white space' : null;
}

/** What keeps a text from being a label: one line of at most so many code points that can be seen, from its first to its last. */
export const labelFault = (text: string, most: number): string | null =>
  labelStartFault(text, most) ?? (BLANK_END.test(text) ? 'must not end with white space' : null);

/** A check by what is wrong with a text: null when nothing is. What is no text is told what an empty one is. */
function textCheck(name: string, faultOf: (text: string) => string | null) {
  return (options?: ValidationOptions): PropertyDecorator =>
    (target, propertyName) => {
      const message = ({ property, value }: ValidationArguments): string =>
        `${property} ${faultOf(typeof value === 'string' ? value : '')}`;
      registerDecorator({
        name,
        target: target.constructor,
        propertyName: String(propertyName),
        options: { message, ...options },
        validator: { validate: (value: unknown) => typeof value === 'string' && faultOf(value) === null },
      });
    };
}

const unless =
  (isValid: (text: string) => boolean, fault: string) =>
  (text: string): string | null =>
    isValid(text) ? null : fault;

export const IsHostId = textCheck(
  'isHostId',
  unless((text) => canonicalHostId(text) !== null, 'must be a UUID'),
);
export const IsAddress = textCheck(
  'isAddress',
  unless((text) => canonicalAddress(text) !== null, NO_ADDRESS),
);
export const IsMachineAddress = textCheck('isMachineAddress', machineAddressFault);
export const IsInstant = textCheck(
  'isInstant',
  unless(isInstant, 'must be an RFC 3339 instant, e.g. 2026-11-23T09:00:00Z'),
);
export const IsVersion = textCheck(
  'isVersion',
  unless(isVersion, 'must have four numbers from 0 to 65535, e.g. 9.63.7187.1'),
);
/** Text for people and names that people compare. A reason is one as well: the audit log has a line for each. */
export const IsLabel = (most: number): PropertyDecorator => textCheck('isLabel', (text) => labelFault(text, most))();
/** What labels are searched by: may end in white space, as a name that is being typed does. */
export const IsLabelStart = (most: number): PropertyDecorator =>
  textCheck('isLabelStart', (text) => labelStartFault(text, most))();
