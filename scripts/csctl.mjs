#!/usr/bin/env node
/** `csctl`, the command line for operators. It starts the build as it is, because a check of the sources would double its start. */
import { existsSync } from 'node:fs';

const PROGRAM = new URL('../dist/apps/csctl/src/main.js', import.meta.url);

if (existsSync(PROGRAM)) await import(PROGRAM.href);
else {
  process.stderr.write('csctl is not built yet.\nWhat to do: npm run build\n');
  process.exitCode = 78;
}
