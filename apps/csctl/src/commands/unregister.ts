import type { ProcessServerSummary, PurgeResponse } from '@app/api-contract';
import { CliError, EXIT_CODES, interrupted } from '@app/cli';
import { assertUnchanged } from '../confirmation.js';
import { askNumber, findCandidates } from '../hosts.js';
import type { Invocation } from '../invocation.js';
import type { DocumentView } from '../output/printer.js';
import { Table } from '../output/table.js';
import { DUPLICATE_COLUMNS } from '../views.js';

const DEFAULT_REASON = 'the machine cannot be revived';

const UNREGISTERED: DocumentView<PurgeResponse> = {
  name: ({ hostId }) => hostId,
  lines: ({ friendlyName, ipAddress }) => [`Successfully unregistered ${friendlyName} (${ipAddress})`],
};

export async function run(invocation: Invocation): Promise<void> {
  const { client, steadyClient, terminal, printer } = invocation;
  const ipAddress = invocation.text('ip-address') ?? '';
  invocation.announceChange();
  const entries = await findCandidates(client, ipAddress);
  if (entries.length === 0)
    throw new CliError(EXIT_CODES.notFound, `No process server has the address ${ipAddress}.`, 'csctl list');
  const table = new Table(DUPLICATE_COLUMNS, { width: terminal.width, isWide: false, paint: (_style, text) => text });
  const numbered = entries.map((entry, index) => ({ ...entry, number: index + 1 }));
  terminal.say(...table.lines(numbered, new Date().toISOString()));

  const chosen = await choose(invocation, entries);
  await assertUnchanged(invocation, chosen);
  const { hostId, generation } = chosen;
  const reason = invocation.text('reason') ?? DEFAULT_REASON;
  await printer.document(await steadyClient.purge(hostId, { generation, reason }), UNREGISTERED);
}

/** @throws CliError unless a person chooses one and confirms, or there is one and `--yes`. */
async function choose(invocation: Invocation, entries: readonly ProcessServerSummary[]): Promise<ProcessServerSummary> {
  const { terminal, signal } = invocation;
  const [only] = entries;
  if (only && entries.length === 1 && invocation.flag('yes')) return only;
  if (!terminal.isInteractive)
    throw invocation.usageError(
      entries.length === 1
        ? 'Without a terminal, a change needs --yes: nothing was removed.'
        : 'Several entries have this address: purge the right one by its host id. Nothing was removed.',
    );
  const chosen = entries[(await askNumber(invocation, entries.length)) - 1] as ProcessServerSummary;
  const { friendlyName, ipAddress } = chosen;
  if (!invocation.flag('yes') && !(await terminal.confirm(`Unregister ${friendlyName} (${ipAddress})?`)))
    throw interrupted('Not confirmed: nothing was removed.');
  if (signal.aborted) throw interrupted('Interrupted: nothing was removed.');
  return chosen;
}
