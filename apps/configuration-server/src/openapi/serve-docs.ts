import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { FastifyInstance } from 'fastify';
import { DOCS_POLICY } from '../problems/safe-headers.js';
import { RequestProblem } from '../problems/request-problem.js';
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
const ASSETS = [
  { name: 'swagger-ui.css', type: 'text/css' },
  { name: 'swagger-ui-bundle.js', type: 'text/javascript' },
] as const;

/** The OpenAPI document as it is kept in the repository, and Swagger UI over it. */
export async function serveDocs(fastify: FastifyInstance): Promise<void> {
  const document = await readFile(OPENAPI_FILE, 'utf8');
  const { resolve } = createRequire(import.meta.url);
  fastify.get('/openapi.json', (request, reply) => {
    const [unknown] = Object.keys(request.query as object);
    if (unknown !== undefined) throw RequestProblem.unknownField(unknown);
    return reply.type('application/json').send(document);
  });
  fastify.get('/docs', (_request, reply) => reply.type('text/html').header('content-security-policy', DOCS_POLICY).send(PAGE));
  fastify.get('/docs/', (_request, reply) => reply.redirect('/docs'));
  fastify.get('/docs/start.js', (_request, reply) => reply.type('text/javascript').send(START));
  for (const { name, type } of ASSETS) {
    const bytes = await readFile(resolve(`swagger-ui-dist/${name}`)); // once: whoever asks often and reads nothing would cost a copy for each answer
    fastify.get(`/docs/${name}`, (_request, reply) => reply.type(type).header('cache-control', 'max-age=3600').send(bytes));
  }
}
