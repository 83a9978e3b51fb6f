import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';

/** The OpenAPI document of the routes, from the code alone: no version of a deployment, no address of one. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const base = new DocumentBuilder()
    .setTitle('Configuration server')
    .setDescription(
      'The registry of a site\'s process servers: registration, heartbeats, removal and queries. Instants are RFC 3339 in UTC, durations ' +
        'and sizes carry their unit in the name. Problems are RFC 9457; their `code` is stable.',
    )
    .setVersion('1')
    .addTag('process server', 'What a process server calls')
    .addTag('operator', 'Taking process servers out of the fleet')
    .addTag('queries', 'What operators and the portal read')
    .addTag('operation', 'Health and metrics of a replica')
    .addSecurity('passphrase', { type: 'apiKey', in: 'header', name: 'Authorization', description: '`Passphrase <passphrase>`' })
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'Credential of a process server, `psc_…`' }, 'credential')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'API key, `csk_…`' }, 'apiKey')
    .build();
  return SwaggerModule.createDocument(app, base, { operationIdFactory: (_controller, method) => method });
}
