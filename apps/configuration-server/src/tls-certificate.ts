import { readFile } from 'node:fs/promises';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import type { TlsSettings } from '@app/platform';

/** What no client may go below. */
export const LOWEST_TLS = 'TLSv1.2' as const;

/** The certificate that is served, renewed when its files change: the connections that are open stay as they are. */
export class TlsCertificate {
  private served: string;

  constructor(
    private readonly settings: TlsSettings,
    private readonly server: Pick<Server, 'setSecureContext'>,
  ) {
    this.served = settings.certificate + settings.key;
  }

  /**
   * Looks at the files. True when another certificate is served from now on.
   * @throws Error when what is there cannot be served, such as one file without the other's renewal: the one before stays.
   */
  async renew(): Promise<boolean> {
    const [cert, key] = await Promise.all([readFile(this.settings.certificateFile, 'utf8'), readFile(this.settings.keyFile, 'utf8')]);
    const found = cert + key;
    if (found === this.served) return false;
    createSecureContext({ cert, key });
    this.server.setSecureContext({ cert, key, minVersion: LOWEST_TLS });
    this.served = found;
    return true;
  }
}
