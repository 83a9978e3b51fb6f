const CHAIN = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
  'INVALID_PURPOSE',
]);

/** Why a certificate is not accepted: nothing trusted issued it, it is for another name, or it is not valid today. */
export type TlsFault = 'tls_chain' | 'tls_name' | 'tls_date' | 'tls_protocol';

/** Null if the code of the error is not about TLS. */
export function tlsFaultOf(code: unknown): TlsFault | null {
  if (typeof code !== 'string') return null;
  if (CHAIN.has(code)) return 'tls_chain';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'tls_name';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'tls_date';
  return /^(EPROTO|ERR_SSL_|ERR_TLS_)/.test(code) ? 'tls_protocol' : null;
}
