import type { DiagnosisResponse } from '@app/api-contract';
import { resolveHostId } from '../hosts.js';
import type { Invocation } from '../invocation.js';
import type { DocumentView } from '../output/printer.js';
import { recordLines } from '../output/record.js';

const DIAGNOSIS: DocumentView<DiagnosisResponse> = {
  name: ({ hostId }) => hostId,
  lines: ({ summary, recommendedActions, ...facts }) => [
    ...recordLines({ summary, recommendedActions }, null),
    '',
    ...recordLines(facts, facts.asOf),
  ],
};

export async function run(invocation: Invocation): Promise<void> {
  const hostId = await resolveHostId(invocation, invocation.argument(0) ?? '');
  await invocation.printer.document(await invocation.client.diagnosis(hostId), DIAGNOSIS);
}
