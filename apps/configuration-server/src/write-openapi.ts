import { writeFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { openApiDocument } from './openapi/document.js';
import { OPENAPI_FILE } from './openapi/openapi-file.js';
import type { AppOptions } from './site/app-options.js';

/** Writes openapi.json. Run it from the build, which adds the comments and validators of the DTO classes to the document. */
const app = await NestFactory.create(AppModule.forRoot({} as AppOptions), new FastifyAdapter(), {
  preview: true, // no provider is created
  logger: ['error'],
  abortOnError: false,
});
writeFileSync(process.argv[2] ?? OPENAPI_FILE, `${JSON.stringify(openApiDocument(app), null, 2)}\n`);
await app.close();
