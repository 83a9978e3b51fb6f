import { chooseContext, contextFilePath, readContextFile, writeContextFile } from '../contexts.js';
import { contextInUse } from '../context-view.js';
import type { Invocation } from '../invocation.js';

export async function run(invocation: Invocation): Promise<void> {
  const path = contextFilePath();
  const { contexts } = readContextFile(path);
  const { name } = chooseContext({ current: null, contexts }, invocation.argument(0) ?? null, {});
  const file = { current: name, contexts };
  writeContextFile(path, file);
  await invocation.printer.document(contextInUse(file, name), { name: (summary) => summary.name });
}
