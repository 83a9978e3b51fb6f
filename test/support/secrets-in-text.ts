/** What a passphrase, a credential or an API key looks like, whoever made it. */
const SECRET = /psc_[\w-]{20,}|csk_[\w-]{20,}|([A-HJ-NP-Z2-9]{5}-){5}[A-HJ-NP-Z2-9]{5}/g;

/** @throws Error when a server said a secret; each server of a test run is asked at its end. */
export function mustTellNoSecret(said: string): void {
  const told = said.match(SECRET);
  if (told) throw new Error(`the log has ${told.length} secrets in it, beginning with ${told[0].slice(0, 12)}`);
}
