import {
  canonicalVersion,
  normalizedName,
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

export function toRegistrationCommand(
  hostId: string,
  body: RegisterRequest,
  { principal, actor }: AuthenticatedCall,
): RegistrationCommand {
  const { fqdn, dataPort, proxy, sentAt, previousCredential } = body;
  return {
    hostId,
    facts: {
      friendlyName: normalizedName(body.friendlyName),
      fqdn: fqdn ?? null,
      ipAddress: canonicalAddress(body.ipAddress) ?? body.ipAddress,
      dataPort: dataPort ?? DEFAULT_DATA_PORT,
      osType: body.osType,
      osVersion: body.osVersion,
      agentVersion: canonicalVersion(body.agentVersion),
      machineId: body.machineId,
      environment: body.environment,
      cpuCores: body.cpuCores,
      memoryBytes: body.memoryBytes,
      cacheDiskBytes: body.cacheDiskBytes,
      proxy: proxy ? toProxySettings(proxy) : null,
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
