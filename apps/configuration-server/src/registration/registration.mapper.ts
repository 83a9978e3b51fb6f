import {
  canonicalVersion,
  normalizedName,
  OMITTED_FACTS,
  type Actor,
  type ProcessServerFacts,
  type RegistrationResult,
  type RegistrationCommand,
} from '@app/fleet';
import { sha256 } from '@app/platform';
import {
  canonicalAddress,
  type ProxySettings,
  type RegisterRequest,
  type RegistrationResponse,
} from '@app/api-contract';
import type { AuthenticatedCall } from '../access/principal.js';

const DEFAULT_DATA_PORT = 9443;

const toProxySettings = ({ used, address, port, authenticated }: ProxySettings): ProcessServerFacts['proxy'] => ({
  used,
  address: address ?? null,
  port: port ?? null,
  authenticated: authenticated ?? false,
});

type OmittedFacts = Pick<ProcessServerFacts, keyof typeof OMITTED_FACTS>;

const omittedFacts = (body: RegisterRequest): OmittedFacts => {
  const names = Object.keys(OMITTED_FACTS) as (keyof OmittedFacts)[];
  return Object.fromEntries(names.map((name) => [name, body[name] ?? null])) as OmittedFacts;
};

/** A validated body has no unknown members, so its facts are passed on as they are. */
export function toRegistrationCommand(
  hostId: string,
  body: RegisterRequest,
  { principal, actor }: AuthenticatedCall,
): RegistrationCommand {
  const { sentAt, previousCredential, ...sent } = body;
  return {
    hostId,
    facts: {
      ...sent,
      ...omittedFacts(body),
      friendlyName: normalizedName(sent.friendlyName),
      ipAddress: canonicalAddress(sent.ipAddress) ?? sent.ipAddress,
      dataPort: sent.dataPort ?? DEFAULT_DATA_PORT,
      agentVersion: canonicalVersion(sent.agentVersion),
      proxy: sent.proxy ? toProxySettings(sent.proxy) : null,
    },
    sentAt: sentAt ? new Date(sentAt) : null,
    passphraseId: principal.kind === 'passphrase' ? principal.passphraseId : null,
    enrolmentId: principal.kind === 'enrolment' ? principal.enrolment.enrolmentId : null,
    previousCredentialHash: previousCredential ? sha256(previousCredential).toString('hex') : null,
    actor: actor satisfies Actor,
  };
}

export function toRegistrationResponse({ isNew, ...result }: RegistrationResult): RegistrationResponse {
  return { ...result, warnings: [...result.warnings] };
}
