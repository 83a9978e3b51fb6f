import { contextFilePath, readContextFile } from '../contexts.js';
import { contextInUse } from '../context-view.js';
import type { Invocation } from '../invocation.js';

export async function run({ contextOption, printer }: Invocation): Promise<void> {
  const summary = contextInUse(readContextFile(contextFilePath()), contextOption);
  await printer.document(summary, { name: ({ name }) => name });
}
