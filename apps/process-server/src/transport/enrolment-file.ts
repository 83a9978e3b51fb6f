import { isIP } from 'node:net';
import { configurationError } from '../output/agent-error.js';
import { readConfiguredFile } from './configured-file.js';

const FORMAT = 1;
const TOKEN = /^pse_[\w-]{16,200}$/;
const FINGERPRINT = /^[0-9a-f]{64}$/;

/** What the agent uses of an enrolment file. */
export interface Enrolment {
  /** Origin of the configuration server. */
  readonly url: string;
  /** SHA-256 of its certificate (DER), hex; null if it serves no TLS itself. */
  readonly certificateSha256: string | null;
  readonly token: string;
}

/** Reads the file that the configuration server made for an enrolment. @throws AgentError (configuration); no message has the token. */
export async function readEnrolmentFile(path: string): Promise<Enrolment> {
  const enrolment = parseEnrolment(await readConfiguredFile(path, '--vault-creds-file'));
  if (enrolment) return enrolment;
  throw configurationError(
    'enrolment_file',
    `${path} is not an enrolment file.`,
    'Copy the member "file" of the response of POST /v1/enrolments into it, or have a new enrolment created.',
  );
}

/** Null if the text is not an enrolment file of a format that is known here. */
export function parseEnrolment(text: string): Enrolment | null {
  const file = parseObject(text);
  const { format, addresses, port, tls, tlsCertificateSha256, token } = file;
  const address: unknown = Array.isArray(addresses) ? addresses[0] : null;
  if (format !== FORMAT || typeof tls !== 'boolean' || typeof token !== 'string' || !TOKEN.test(token)) return null;
  if (typeof address !== 'string' || typeof port !== 'number') return null;
  const origin = `${tls ? 'https' : 'http'}://${isIP(address) === 6 ? `[${address}]` : address}:${port}`;
  const url = URL.canParse(origin) ? new URL(origin) : null;
  if (!url || url.username || url.pathname !== '/' || url.search || url.hash) return null;
  const isPinned = typeof tlsCertificateSha256 === 'string' && FINGERPRINT.test(tlsCertificateSha256);
  if (!isPinned && tlsCertificateSha256 !== null && tlsCertificateSha256 !== undefined) return null;
  return { url: origin, certificateSha256: isPinned ? tlsCertificateSha256 : null, token };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return { ...(JSON.parse(text) as object) };
  } catch {
    return {};
  }
}
