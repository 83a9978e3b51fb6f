import { parseArgs } from 'node:util';
import { BEHAVIOUR_NAMES, BEHAVIOURS, DEFAULT_MIX, type BehaviourName, type Mix } from './behaviours.js';

export interface Options {
  readonly servers: number;
  readonly seconds: number;
  readonly mix: Mix;
  readonly url: string;
  readonly passphraseFile: string;
  /** For the live counts of the whole fleet; without the file, they are not shown. */
  readonly keyFile: string;
  /** Null: as assigned by the configuration server. */
  readonly intervalSeconds: number | null;
  readonly seed: number;
}

export class OptionsError extends Error {}

export const USAGE = `npm run demo -- [options]      a fleet of simulated process servers against a running configuration server

  --servers N            number of process servers (500)
  --seconds N            length of the run (60)
  --mix NAME:PART,...    shares of the behaviours (${Object.entries(DEFAULT_MIX)
    .map(([name, part]) => `${name}:${part}`)
    .join(',')})
  --interval SECONDS     heartbeat interval (as assigned by the server)
  --url URL              the configuration server (http://127.0.0.1:8080)
  --passphrase-file F    (.data/connection.passphrase)
  --key-file F           API key of a reader, for the counts (.data/admin.key)
  --seed N               seed of an earlier run, to repeat it

${BEHAVIOUR_NAMES.map((name) => `  ${name.padEnd(20)} ${BEHAVIOURS[name].meaning}`).join('\n')}`;

const OPTIONS = {
  servers: { type: 'string', default: '500' },
  seconds: { type: 'string', default: '60' },
  mix: { type: 'string' },
  interval: { type: 'string' },
  url: { type: 'string', default: 'http://127.0.0.1:8080' },
  'passphrase-file': { type: 'string', default: '.data/connection.passphrase' },
  'key-file': { type: 'string', default: '.data/admin.key' },
  seed: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

/** @returns null for `--help`. @throws OptionsError that names the invalid option. */
export function readOptions(args: readonly string[], chosenSeed: number): Options | null {
  const values = parsed(args);
  if (values.help) return null;
  if (!URL.canParse(values.url) || !/^https?:/.test(values.url))
    throw new OptionsError(`--url must be an http or https address, not "${values.url}"`);
  return {
    servers: positive('servers', values.servers, 1_000_000),
    seconds: positive('seconds', values.seconds, 86_400),
    mix: values.mix === undefined ? DEFAULT_MIX : mixOf(values.mix),
    url: new URL(values.url).origin,
    passphraseFile: values['passphrase-file'],
    keyFile: values['key-file'],
    intervalSeconds: values.interval === undefined ? null : positive('interval', values.interval, 3_600),
    seed: values.seed === undefined ? chosenSeed : positive('seed', values.seed, 2 ** 31),
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new OptionsError(error instanceof Error ? error.message : String(error));
  }
}

function positive(name: string, text: string, max: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > max)
    throw new OptionsError(`--${name} must be a whole number from 1 to ${max}, not "${text}"`);
  return number;
}

function mixOf(text: string): Mix {
  const mix: Partial<Record<BehaviourName, number>> = {};
  for (const part of text.split(',')) {
    const [name = '', share = '1'] = part.split(':');
    if (!isBehaviour(name)) throw new OptionsError(`--mix: "${name}" is not one of ${BEHAVIOUR_NAMES.join(', ')}`);
    mix[name] = positive('mix', share, 1_000_000);
  }
  return mix;
}

const isBehaviour = (name: string): name is BehaviourName => Object.hasOwn(BEHAVIOURS, name);
