import { registerDecorator, type ValidationArguments, type ValidationOptions } from 'class-validator';
import ipaddr from 'ipaddr.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i;
/** In days. */
const MIN_DAYS_IN_MONTH = 28;
const VERSION = /^(\d{1,5})\.(\d{1,5})\.(\d{1,5})\.(\d{1,5})$/;
/** Invisible characters, or characters that not every reader sees alike; without the two joiners and two variation selectors that letters and emoji need. */
const INVISIBLE_CHARACTERS = /(?![\u200c\u200d\ufe0e\ufe0f])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
/** Nearly all display texts consist of these, so the costlier checks for other characters are skipped. */
const PRINTABLE_ASCII = /^[!-~]+$/;
/** White space, the blank Braille cell, and joiners. */
const BLANK_START = /^[\s\u2800\u200c\u200d\ufe0e\ufe0f]/u;
const BLANK_END = /[\s\u2800]$/u;

const ADDRESS_MESSAGE = 'must be an IPv4 or IPv6 address';

/** The canonical form of a host id: lower case. Null if the text is not a UUID. */
export const canonicalHostId = (text: string): string | null => (UUID.test(text) ? text.toLowerCase() : null);

/** Four numbers from 0 to 255 without leading zeros. */
const isDotted = (text: string): boolean =>
  IPV4.test(text) && text.split('.').every((part) => String(Number(part)) === part && Number(part) <= 255);

/** Expands an IPv6 address that ends in IPv4 notation: the parser would read `::1.2.3.4` as `::ffff:1.2.3.4`. */
function expandEmbeddedIpv4(text: string): string {
  const tail = text.slice(text.lastIndexOf(':') + 1);
  if (!isDotted(tail)) return text;
  const [a = 0, b = 0, c = 0, d = 0] = tail.split('.').map(Number);
  return `${text.slice(0, -tail.length)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** The canonical form of an address: IPv4 dotted, IPv6 as in RFC 5952, an IPv4-mapped address as IPv4. Null for anything else. */
export function canonicalAddress(text: string): string | null {
  if (!text.includes(':')) return isDotted(text) ? text : null;
  const groups = expandEmbeddedIpv4(text);
  if (/[.%]/.test(groups) || !ipaddr.IPv6.isValid(groups)) return null;
  const six = ipaddr.IPv6.parse(groups);
  return six.isIPv4MappedAddress() ? six.toIPv4Address().toString() : six.toRFC5952String();
}

const UNUSABLE_RANGES: readonly string[] = ['unspecified', 'multicast', 'broadcast'];

/** Why a machine cannot be reached at an address. Loopback is allowed: a whole site can run on one machine. */
export function findMachineAddressError(text: string): string | null {
  const canonical = canonicalAddress(text);
  if (canonical === null) return ADDRESS_MESSAGE;
  const range = ipaddr.parse(canonical).range();
  return UNUSABLE_RANGES.includes(range) ? `must be the address of one machine; this one is ${range}` : null;
}

/** RFC 3339 with a real calendar day, in the years that a database can store; without leap seconds. */
export function isTimestamp(text: string): boolean {
  if (!TIMESTAMP.test(text)) return false;
  const [year, month, day] = [Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8, 10))];
  if (year < 1970 || year > 9998 || month < 1 || month > 12 || day < 1) return false;
  return day <= MIN_DAYS_IN_MONTH || day === new Date(Date.UTC(year, month - 1, day)).getUTCDate();
}

const isVersion = (text: string): boolean =>
  VERSION.exec(text)
    ?.slice(1)
    .every((part) => Number(part) <= 65_535) ?? false;
/** In code points, as a database counts. Names are stored in NFC, which can be longer. */
const hasMaxLength = (text: string, max: number): boolean =>
  [text, text.normalize('NFC')].every((form) => form.length <= max || [...form].length <= max);
const codePoint = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

/** Why a text is not the beginning of a display text: as `findDisplayTextError`, but white space at the end is allowed. */
export function findDisplayTextPrefixError(text: string, max: number): string | null {
  if (text.length <= max && PRINTABLE_ASCII.test(text)) return null;
  if (text === '' || !hasMaxLength(text, max)) return `must be text of 1 to ${max} characters`;
  const [invisible] = INVISIBLE_CHARACTERS.exec(text) ?? [];
  if (invisible !== undefined) return `must be one line of visible characters; ${codePoint(invisible)} is not allowed`;
  return BLANK_START.test(text) ? 'must not begin with white space' : null;
}

/** Why a text is not a display text: one line of at most `max` code points, visible from the first to the last. */
export const findDisplayTextError = (text: string, max: number): string | null =>
  findDisplayTextPrefixError(text, max) ?? (BLANK_END.test(text) ? 'must not end with white space' : null);

/** A validator from a function that returns the error of a text, or null. A value that is not a text has the error of an empty text. */
function textValidator(name: string, findError: (text: string) => string | null) {
  return (options?: ValidationOptions): PropertyDecorator =>
    (target, propertyName) => {
      const message = ({ property, value }: ValidationArguments): string =>
        `${property} ${findError(typeof value === 'string' ? value : '')}`;
      registerDecorator({
        name,
        target: target.constructor,
        propertyName: String(propertyName),
        options: { message, ...options },
        validator: { validate: (value: unknown) => typeof value === 'string' && findError(value) === null },
      });
    };
}

const validateWith =
  (isValid: (text: string) => boolean, message: string) =>
  (text: string): string | null =>
    isValid(text) ? null : message;

export const IsHostId = textValidator(
  'isHostId',
  validateWith((text) => canonicalHostId(text) !== null, 'must be a UUID'),
);
export const IsAddress = textValidator(
  'isAddress',
  validateWith((text) => canonicalAddress(text) !== null, ADDRESS_MESSAGE),
);
export const IsMachineAddress = textValidator('isMachineAddress', findMachineAddressError);
export const IsTimestamp = textValidator(
  'isTimestamp',
  validateWith(isTimestamp, 'must be an RFC 3339 timestamp, e.g. 2026-11-23T09:00:00Z'),
);
export const IsVersion = textValidator(
  'isVersion',
  validateWith(isVersion, 'must have four numbers from 0 to 65535, e.g. 9.63.7187.1'),
);
/** Why a text is not an address of a package: a password in it would be shown to every reader. */
export function findDownloadUrlError(text: string): string | null {
  if (text.length > 2_000 || !PRINTABLE_ASCII.test(text)) return 'must be a URL of at most 2000 characters';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol)) return 'must be a URL with http or https';
  return url.username || url.password ? 'must not contain credentials' : null;
}

/** A name without path: no separator, and no dot at its start. */
const PACKAGE_FILE = /^[A-Za-z0-9_][A-Za-z0-9._+-]{0,254}$/;
const SHA256 = /^[0-9a-f]{64}$/i;

export const IsDownloadUrl = textValidator('isDownloadUrl', findDownloadUrlError);
export const IsPackageFile = textValidator(
  'isPackageFile',
  validateWith(
    (text) => PACKAGE_FILE.test(text),
    'must be a file name of at most 255 letters, digits and ._+-, not a path',
  ),
);
export const IsSha256 = textValidator(
  'isSha256',
  validateWith((text) => SHA256.test(text), 'must have 64 hexadecimal digits'),
);
/** Texts for people, and names that people compare. Reasons too: the audit log has one line for each. */
export const IsDisplayText = (max: number): PropertyDecorator =>
  textValidator('isDisplayText', (text) => findDisplayTextError(text, max))();
/** Search prefix of a display text; it may end in white space, like a name that is still being typed. */
export const IsDisplayTextPrefix = (max: number): PropertyDecorator =>
  textValidator('isDisplayTextPrefix', (text) => findDisplayTextPrefixError(text, max))();

/** Whether both are numbers and the part is greater. */
export const exceedsWhole = (part: unknown, whole: unknown): boolean =>
  typeof part === 'number' && typeof whole === 'number' && part > whole;
export const exceedsWholeError = (part: string, whole: string): string => `${part} must not be greater than ${whole}`;

/** A part of the number in another member of the same object; not checked without that number. */
export const IsPartOf =
  (whole: string): PropertyDecorator =>
  (target, propertyName) =>
    registerDecorator({
      name: 'isPartOf',
      target: target.constructor,
      propertyName: String(propertyName),
      constraints: [whole],
      options: { message: exceedsWholeError(String(propertyName), whole) },
      validator: {
        validate: (part: unknown, given?: ValidationArguments) =>
          !exceedsWhole(part, (given?.object as Record<string, unknown> | undefined)?.[whole]),
      },
    });
