/** Matches every passphrase, credential, enrolment token and API key. */
const SECRET = /psc_[\w-]{20,}|pse_[\w-]{20,}|csk_[\w-]{20,}|([A-HJ-NP-Z2-9]{5}-){5}[A-HJ-NP-Z2-9]{5}/g;

/** Checks the output of a server at its end. @throws Error when the output contains a secret. */
export function assertNoSecret(text: string): void {
  const secrets = text.match(SECRET);
  if (secrets)
    throw new Error(`the log has ${secrets.length} secrets, the first starts with ${secrets[0].slice(0, 12)}`);
}
