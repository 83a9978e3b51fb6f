import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Inject, Injectable } from '@nestjs/common';
import type { ConnectionDto } from '@app/api-contract';
import { CERTIFICATE } from '../edge/edge.module.js';
import { HttpServer } from '../edge/http-server.js';
import type { TlsCertificate } from '../edge/tls-certificate.js';
import { APP_OPTIONS, type AppOptions } from '../site/app-options.js';
import { publicConnection } from './public-connection.js';

/** How process servers reach this configuration server, for enrolments. */
@Injectable()
export class ConnectionInfo {
  constructor(
    @Inject(APP_OPTIONS) private readonly options: AppOptions,
    private readonly http: HttpServer,
    @Inject(CERTIFICATE) private readonly certificate: TlsCertificate | null,
  ) {}

  current(): ConnectionDto {
    const listening = this.http.fastify.server.address() as AddressInfo | null;
    const { addresses, port, tls } = publicConnection(this.options.settings, listening, networkInterfaces);
    return { addresses: [...addresses], port, tls, tlsCertificateSha256: this.certificate?.sha256 ?? null };
  }
}
