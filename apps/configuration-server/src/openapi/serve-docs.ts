import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { FastifyInstance } from 'fastify';
import type { Authenticator } from '../access/authenticator.js';
import { entityTagOf, matchesEtag } from '../edge/entity-tag.js';
import { DOCS_CSP } from '../edge/security-headers.js';
import { RequestProblem } from '../problems/request-problem.js';
import { OPENAPI_FILE } from './openapi-file.js';

const DOCS_HTML = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Configuration server</title>
  <link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="/docs/swagger-ui-bundle.js"></script>
  <script src="/docs/start.js"></script>
</body>
</html>
`;
const DOCS_SCRIPT = `window.onload = () => { SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true }); };\n`;
const ASSETS = [
  { name: 'swagger-ui.css', type: 'text/css; charset=utf-8' },
  { name: 'swagger-ui-bundle.js', type: 'text/javascript; charset=utf-8' },
] as const;

/** Serves the OpenAPI document and Swagger UI without authentication, within the rate limit of anonymous callers. */
export async function serveDocs(fastify: FastifyInstance, authenticator: Authenticator): Promise<void> {
  /** All responses share one buffer. */
  const serveFile = (path: string, bytes: Buffer, headers: Readonly<Record<string, string>>): void => {
    const etag = entityTagOf(bytes);
    fastify.get(path, (request, reply) => {
      authenticator.authorizeAnonymous(request);
      const [parameter] = Object.keys(request.query as object);
      if (parameter !== undefined) throw RequestProblem.unknownField(parameter);
      reply.header('etag', etag);
      return matchesEtag(etag, request.headers['if-none-match'])
        ? reply.status(304).send()
        : reply.headers(headers).send(bytes);
    });
  };
  serveFile('/openapi.json', await readFile(OPENAPI_FILE), {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-cache',
  });
  serveFile('/docs', Buffer.from(DOCS_HTML), {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': DOCS_CSP,
  });
  serveFile('/docs/start.js', Buffer.from(DOCS_SCRIPT), { 'content-type': 'text/javascript; charset=utf-8' });
  const { resolve } = createRequire(import.meta.url);
  for (const { name, type } of ASSETS)
    serveFile(`/docs/${name}`, await readFile(resolve(`swagger-ui-dist/${name}`)), {
      'content-type': type,
      'cache-control': 'max-age=3600',
    });
  fastify.get('/docs/', (request, reply) => {
    authenticator.authorizeAnonymous(request);
    return reply.redirect('/docs');
  });
}
