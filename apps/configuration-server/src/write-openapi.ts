import { writeFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule, type AppServices } from './app.module.js';
import { openApiDocument } from './openapi/document.js';
import { OPENAPI_FILE } from './openapi/openapi-file.js';

/** Writes openapi.json. Run it from the build, which adds the comments and validators of the DTO classes to the document. */
const app = await NestFactory.create(AppModule.forRoot({} as AppServices), new FastifyAdapter(), {
  logger: ['error'],
  abortOnError: false,
});
writeFileSync(process.argv[2] ?? OPENAPI_FILE, `${JSON.stringify(openApiDocument(app), null, 2)}\n`);
await app.close();
