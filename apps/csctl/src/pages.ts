import type { Page } from './output/printer.js';

export const MAX_PAGE = 1_000;

/** Pages of a list until it ends or `limit` items are read; a page of a filtered list may have fewer items than asked for, or none. */
export async function* pages<Item>(
  read: (page: { readonly limit: number; readonly cursor?: string }) => Promise<Page<Item>>,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<Page<Item>> {
  let left = limit;
  let cursor: string | null = null;
  do {
    const page: Page<Item> = await read({ limit: Math.min(MAX_PAGE, left), ...(cursor !== null && { cursor }) });
    left -= page.items.length;
    cursor = page.nextCursor;
    yield page;
  } while (cursor !== null && left > 0);
}
