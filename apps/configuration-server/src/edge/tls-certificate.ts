import { constants } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:https';
import type { Logger } from 'pino';
import type { Clock } from '@app/fleet';
import { errorMessage, decodeText, validateTlsPair, type TlsSettings, type TlsValidity } from '@app/platform';

/** What every connection keeps to. Of TLS 1.2 only what has forward secrecy and authenticated encryption; nothing is negotiated anew on a connection. */
export const TLS_OPTIONS = {
  minVersion: 'TLSv1.2',
  ciphers: [
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'TLS_AES_128_GCM_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
} as const;

/** The certificate that is served, renewed when its files change: the connections that are open stay as they are. */
export class TlsCertificate {
  private currentPem: string;
  private validity: TlsValidity;
  /** What was found last and cannot be served; null when what was found is served. */
  private rejectedPem: string | null = null;

  constructor(
    private readonly settings: TlsSettings,
    private readonly server: Pick<Server, 'setSecureContext'>,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.currentPem = settings.certificate + settings.key;
    this.validity = validateTlsPair(settings.certificate, settings.key);
  }

  get expiresAt(): Date {
    return this.validity.until;
  }

  /**
   * Looks at the files. True when another certificate is served from now on.
   * @throws Error once for each change, when what is there cannot be served, such as one file without the other's renewal: the one before stays.
   */
  async reloadIfChanged(): Promise<boolean> {
    const found = await this.read();
    const text = typeof found === 'string' ? found : found.cert + found.key;
    const isNew = text !== this.currentPem && text !== this.rejectedPem;
    this.rejectedPem = text === this.currentPem ? null : text;
    if (!isNew) return false;
    if (typeof found === 'string') throw new Error(found);
    this.validity = validateTlsPair(found.cert, found.key);
    this.server.setSecureContext({ ...TLS_OPTIONS, ...found });
    this.currentPem = text;
    this.rejectedPem = null;
    return true;
  }

  /** Renews, and logs what came of it. */
  async reloadAndLog(): Promise<void> {
    try {
      if (!(await this.reloadIfChanged())) return;
      this.logger.info({ expiresAt: this.expiresAt }, 'another TLS certificate is served from now on');
      this.warnWhenInvalid();
    } catch (error) {
      this.logger.error(
        { reason: errorMessage(error) },
        'the TLS certificate and key on disk cannot be served; the one before stays',
      );
    }
  }

  /** Clients refuse a certificate that has expired or is not valid yet. */
  warnWhenInvalid(): void {
    const now = this.clock.now();
    const { from, until } = this.validity;
    if (now >= until) this.logger.warn({ expiredAt: until }, 'the TLS certificate has expired');
    else if (now < from) this.logger.warn({ validFrom: from }, 'the TLS certificate is not valid yet');
  }

  /** As text, why the files cannot be read. */
  private async read(): Promise<{ readonly cert: string; readonly key: string } | string> {
    try {
      const [cert, key] = await Promise.all([readFile(this.settings.certificateFile), readFile(this.settings.keyFile)]);
      return { cert: decodeText(cert), key: decodeText(key) };
    } catch (error) {
      return errorMessage(error);
    }
  }
}
