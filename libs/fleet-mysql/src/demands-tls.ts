import { createConnection, type ConnectionOptions } from 'mysql2';
import { errorNumber } from './database-errors.js';
import { NoPrimary, type DatabaseAddress } from './database-servers.js';

/** The server takes no connection without TLS. */
const SECURE_TRANSPORT_REQUIRED = 3159;
/** Also said of a user who is `REQUIRE SSL`. */
const ACCESS_DENIED = 1045;
const ASK_WITHIN_MS = 3_000;

/** Whether a connection without TLS failed because the server, or the user's account, demands TLS: a user without TLS who is let in with it tells. */
export async function demandsTls(error: unknown, { others: _others, ...address }: DatabaseAddress): Promise<boolean> {
  if (address.ssl || address.socketPath) return false;
  const numbers = (error instanceof NoPrimary ? error.errors : [error]).map(errorNumber);
  if (numbers.includes(SECURE_TRANSPORT_REQUIRED)) return true;
  return numbers.includes(ACCESS_DENIED) && (await isLetInWithTls(address));
}

function isLetInWithTls(address: DatabaseAddress): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection({
      ...address,
      ssl: { rejectUnauthorized: false },
      connectTimeout: ASK_WITHIN_MS,
    } as ConnectionOptions);
    connection.on('error', () => undefined);
    connection.connect((error) => {
      connection.destroy();
      resolve(!error);
    });
  });
}
