import { contextFilePath, readContextFile } from '../contexts.js';
import { contextSummaries, type ContextSummary } from '../context-view.js';
import type { Invocation } from '../invocation.js';
import type { ListView, Page } from '../output/printer.js';

const CONTEXTS: ListView<ContextSummary> = {
  columns: [
    { header: 'CURRENT', cell: ({ isCurrent }) => (isCurrent ? '*' : '') },
    { header: 'NAME', cell: ({ name }) => name },
    { header: 'SERVER', cell: ({ server }) => server },
    { header: 'KEY', cell: ({ keyPrefix }) => keyPrefix, drop: 1 },
  ],
  name: ({ name }) => name,
  empty: 'There is no context yet: csctl login --server URL --key-file FILE',
};

export async function run({ printer }: Invocation): Promise<void> {
  const items = contextSummaries(readContextFile(contextFilePath()));
  await printer.list(onePage(items), CONTEXTS);
}

async function* onePage<Item>(items: readonly Item[]): AsyncGenerator<Page<Item>> {
  yield await Promise.resolve({ items, nextCursor: null, asOf: new Date().toISOString() });
}
