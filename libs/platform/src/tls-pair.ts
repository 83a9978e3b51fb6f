import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/** The period in which all certificates of a chain are valid, and the SHA-256 (hex) of the own certificate. */
export interface TlsValidity {
  readonly from: Date;
  readonly until: Date;
  readonly sha256: string;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs;

/**
 * Checks that TLS can be served with a certificate chain (PEM, own certificate first) and a key, and returns its
 * validity.
 * @throws Error with the reason: Node would silently serve an empty file, or a key of another kind, without a
 * certificate.
 */
export function validateTlsPair(certificate: string, key: string): TlsValidity {
  const chain = (certificate.match(CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
  const [own] = chain;
  if (!own) throw new Error('the certificate file has no certificate');
  if (!own.checkPrivateKey(createPrivateKey(key))) throw new Error('the key does not belong to the certificate');
  createSecureContext({ cert: certificate, key });
  const times = (of: 'validFrom' | 'validTo'): number[] => chain.map((each) => new Date(each[of]).getTime());
  return {
    from: new Date(Math.max(...times('validFrom'))),
    until: new Date(Math.min(...times('validTo'))),
    sha256: own.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}
