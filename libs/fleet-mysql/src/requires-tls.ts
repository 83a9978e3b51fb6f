import { createConnection, type ConnectionOptions } from 'mysql2';
import { errorNumber } from './database-errors.js';
import { NoPrimaryError, type DatabaseAddress } from './database-servers.js';

/** The server rejects connections without TLS. */
const ER_SECURE_TRANSPORT_REQUIRED = 3159;
/** Also the error of a user with `REQUIRE SSL`. */
const ER_ACCESS_DENIED_ERROR = 1045;
const TLS_PROBE_TIMEOUT_MS = 3_000;

/** Whether a connection failed because the server or the account requires TLS. For an account, a connection with TLS is tried. */
export async function requiresTls(error: unknown, { others: _others, ...address }: DatabaseAddress): Promise<boolean> {
  if (address.ssl || address.socketPath) return false;
  const numbers = (error instanceof NoPrimaryError ? error.errors : [error]).map(errorNumber);
  if (numbers.includes(ER_SECURE_TRANSPORT_REQUIRED)) return true;
  return numbers.includes(ER_ACCESS_DENIED_ERROR) && (await connectsWithTls(address));
}

function connectsWithTls(address: DatabaseAddress): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection({
      ...address,
      ssl: { rejectUnauthorized: false },
      connectTimeout: TLS_PROBE_TIMEOUT_MS,
    } as ConnectionOptions);
    connection.on('error', () => undefined);
    connection.connect((error) => {
      connection.destroy();
      resolve(!error);
    });
  });
}
