import { closeSync, fsyncSync, unlinkSync, writeSync } from 'node:fs';
import { periodOf } from '../filters.js';
import type { Invocation } from '../invocation.js';
import { createPrivateFile } from '../secret-output.js';

export async function run(invocation: Invocation): Promise<void> {
  const { client, printer, terminal } = invocation;
  const members = {
    kind: invocation.text('kind'),
    actor: invocation.text('actor'),
    hostId: invocation.text('host-id'),
  };
  const { lines, exportedUntil } = await client.exportEvents({ ...periodOf(invocation), ...members } as object);
  const path = invocation.text('file');
  if (path !== undefined) await writeFile(path, lines);
  else
    for await (const chunk of lines) {
      await printer.raw(chunk);
      if (printer.isClosed) return;
    }
  if (exportedUntil !== null) terminal.say(`Exported until ${exportedUntil}: the --from of the next export.`);
}

/** A part of an export is not left behind, because it looks like a whole one. */
async function writeFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const file = createPrivateFile(path);
  try {
    for await (const chunk of chunks) writeSync(file, chunk);
    fsyncSync(file);
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    closeSync(file);
  }
}
