/** What a passphrase, a credential or an API key looks like, whoever made it. */
const SECRET = /psc_[\w-]{20,}|csk_[\w-]{20,}|([A-HJ-NP-Z2-9]{5}-){5}[A-HJ-NP-Z2-9]{5}/g;

/** @throws Error when a server said a secret; each server of a test run is asked at its end. */
export function assertNoSecret(text: string): void {
  const secrets = text.match(SECRET);
  if (secrets)
    throw new Error(`the log has ${secrets.length} secrets in it, beginning with ${secrets[0].slice(0, 12)}`);
}
