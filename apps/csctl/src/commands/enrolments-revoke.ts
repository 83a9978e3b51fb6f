import { confirmChange } from '../confirmation.js';
import type { Invocation } from '../invocation.js';

export async function run(invocation: Invocation): Promise<void> {
  const { enrolmentId, note } = await invocation.client.enrolment(invocation.argument(0) ?? '');
  await confirmChange(invocation, `Revoke the enrolment "${note}"?`);
  const revoked = await invocation.steadyClient.revokeEnrolment(enrolmentId);
  await invocation.printer.document(revoked, { name: () => enrolmentId });
}
