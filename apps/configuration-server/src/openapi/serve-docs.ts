import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createRequire } from 'node:module';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { OPENAPI_FILE } from './openapi-file.js';

const PAGE = `<!doctype html>
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
const START = `window.onload = () => { SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true }); };\n`;

/** The OpenAPI document as it is kept in the repository, and Swagger UI over it. */
export async function serveDocs(fastify: FastifyInstance): Promise<void> {
  const document = await readFile(OPENAPI_FILE, 'utf8');
  const swaggerUi = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  fastify.get('/openapi.json', (_request, reply) => reply.type('application/json').send(document));
  fastify.get('/docs', (_request, reply) => reply.type('text/html').send(PAGE));
  fastify.get('/docs/', (_request, reply) => reply.redirect('/docs'));
  fastify.get('/docs/start.js', (_request, reply) => reply.type('text/javascript').send(START));
  await fastify.register(fastifyStatic, {
    root: swaggerUi,
    prefix: '/docs/',
    index: false,
    allowedPath: (path) => /^\/(swagger-ui\.css|swagger-ui-bundle\.js|favicon-\d+x\d+\.png)$/.test(path),
  });
}
