import { writeFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule, type AppServices } from './app.module.js';
import { openApiDocument } from './openapi/document.js';
import { OPENAPI_FILE } from './openapi/openapi-file.js';

/** Writes openapi.json. Run it from the build: the comments and checks of the wire classes get into the document there. */
const app = await NestFactory.create(AppModule.forRoot({} as AppServices), new FastifyAdapter(), {
  logger: ['error'],
  abortOnError: false,
});
writeFileSync(process.argv[2] ?? OPENAPI_FILE, `${JSON.stringify(openApiDocument(app), null, 2)}\n`);
await app.close();
