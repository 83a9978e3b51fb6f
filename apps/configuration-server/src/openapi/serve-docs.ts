import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
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
const SLICE_BYTES = 32 * 1024;
const ASSETS = [
  { name: 'swagger-ui.css', type: 'text/css' },
  { name: 'swagger-ui-bundle.js', type: 'text/javascript' },
] as const;

/** The OpenAPI document as it is kept in the repository, and Swagger UI over it. */
export async function serveDocs(fastify: FastifyInstance): Promise<void> {
  const document = await readFile(OPENAPI_FILE);
  const { resolve } = createRequire(import.meta.url);
  fastify.get('/openapi.json', (request, reply) => {
    const [unknown] = Object.keys(request.query as object);
    if (unknown !== undefined) throw RequestProblem.unknownField(unknown);
    return sendInSlices(reply.type('application/json'), document);
  });
  fastify.get('/docs', (_request, reply) => reply.type('text/html').header('content-security-policy', DOCS_POLICY).send(PAGE));
  fastify.get('/docs/', (_request, reply) => reply.redirect('/docs'));
  fastify.get('/docs/start.js', (_request, reply) => reply.type('text/javascript').send(START));
  for (const { name, type } of ASSETS) {
    const bytes = await readFile(resolve(`swagger-ui-dist/${name}`));
    fastify.get(`/docs/${name}`, (_request, reply) => sendInSlices(reply.type(type).header('cache-control', 'max-age=3600'), bytes));
  }
}

/** As they are read: whoever asks often and reads nothing costs a slice for each answer, and over TLS not a copy of all. */
function sendInSlices(reply: FastifyReply, bytes: Buffer): FastifyReply {
  const starts = Array.from({ length: Math.ceil(bytes.length / SLICE_BYTES) }, (_, number) => number * SLICE_BYTES);
  const slices = starts.map((start) => bytes.subarray(start, start + SLICE_BYTES));
  return reply.header('content-length', bytes.length).send(Readable.from(slices, { objectMode: false }));
}
