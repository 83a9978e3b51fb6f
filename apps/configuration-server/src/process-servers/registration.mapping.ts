import {
  formatVersion,
  normalizedName,
  parseVersion,
  type Actor,
  type ProcessServerFacts,
  type RegistrationAnswer,
  type RegistrationOrder,
} from '@app/fleet';
import { sha256 } from '@app/platform';
import { canonicalAddress, type ProxySettings, type RegisterRequest, type RegistrationResponse } from '@app/wire';
import type { Recognised } from '../access/caller.js';

const DEFAULT_DATA_PORT = 9443;

const proxyFacts = ({ used, address, port, authenticated }: ProxySettings): ProcessServerFacts['proxy'] => ({
  used,
  address: address ?? null,
  port: port ?? null,
  authenticated: authenticated ?? false,
});

/** The version without leading zeros; checked for form at the door. */
export function canonicalVersion(text: string): string {
  const version = parseVersion(text);
  return version ? formatVersion(version) : text;
}

export function registrationOrder(
  hostId: string,
  body: RegisterRequest,
  { caller, actor }: Recognised,
): RegistrationOrder {
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
      proxy: proxy ? proxyFacts(proxy) : null,
    },
    sentAt: sentAt ? new Date(sentAt) : null,
    passphraseId: caller.kind === 'passphrase' ? caller.passphraseId : '',
    previousCredentialHash: previousCredential ? sha256(previousCredential).toString('hex') : null,
    actor: actor satisfies Actor,
  };
}

export function registrationResponse({ isNew, ...answer }: RegistrationAnswer): RegistrationResponse {
  return { ...answer, warnings: [...answer.warnings] };
}
