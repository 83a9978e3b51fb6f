#!/usr/bin/env node
/** `process-server`, the agent of a process server. It starts the build as it is, because a check of the sources would double its start. */
import { existsSync } from 'node:fs';

const PROGRAM = new URL('../dist/apps/process-server/src/main.js', import.meta.url);

if (existsSync(PROGRAM)) await import(PROGRAM.href);
else {
  process.stderr.write('process-server is not built yet.\nWhat to do: npm run build\n');
  process.exitCode = 78;
}
