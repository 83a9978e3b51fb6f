import { constants } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:https';
import type { Logger } from 'pino';
import type { Clock } from '@app/fleet';
import { errorMessage, decodeText, validateTlsPair, type TlsSettings, type TlsValidity } from '@app/platform';

/** TLS options of every connection. TLS 1.2 with forward secrecy and authenticated encryption only; no renegotiation. */
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

/** The served certificate, reloaded when its files change; open connections are not affected. */
export class TlsCertificate {
  private currentPem: string;
  private validity: TlsValidity;
  /** The error of the last reload; null if the files are served. */
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

  /** SHA-256 of the served certificate, hex. */
  get sha256(): string {
    return this.validity.sha256;
  }

  /**
   * Reloads the files. Returns true if another certificate is served from now on.
   * @throws Error once for each change that cannot be served, e.g. a certificate without its key: the previous certificate stays.
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

  /** Reloads, and logs the result. */
  async reloadAndLog(): Promise<void> {
    try {
      if (!(await this.reloadIfChanged())) return;
      this.logger.info({ expiresAt: this.expiresAt }, 'the TLS certificate was reloaded');
      this.warnWhenInvalid();
    } catch (error) {
      this.logger.error(
        { reason: errorMessage(error) },
        'the TLS certificate and key on disk are unusable; the previous certificate stays in use',
      );
    }
  }

  /** Clients reject a certificate that has expired or is not valid yet. */
  warnWhenInvalid(): void {
    const now = this.clock.now();
    const { from, until } = this.validity;
    if (now >= until) this.logger.warn({ expiredAt: until }, 'the TLS certificate has expired');
    else if (now < from) this.logger.warn({ validFrom: from }, 'the TLS certificate is not valid yet');
  }

  /** The error of unreadable files, as text. */
  private async read(): Promise<{ readonly cert: string; readonly key: string } | string> {
    try {
      const [cert, key] = await Promise.all([readFile(this.settings.certificateFile), readFile(this.settings.keyFile)]);
      return { cert: decodeText(cert), key: decodeText(key) };
    } catch (error) {
      return errorMessage(error);
    }
  }
}
