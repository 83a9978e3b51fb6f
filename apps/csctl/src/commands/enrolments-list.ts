import { ENROLMENTS } from '../administration-views.js';
import type { Invocation } from '../invocation.js';
import { pages } from '../pages.js';

export async function run({ client, printer }: Invocation): Promise<void> {
  await printer.list(
    pages((page) => client.enrolments(page)),
    ENROLMENTS,
  );
}
