import { timeAheadOf } from '../filters.js';
import type { Invocation } from '../invocation.js';
import { createSecret } from '../secret-output.js';

export async function run(invocation: Invocation): Promise<void> {
  const expiresAt = timeAheadOf(invocation, 'expires');
  const maxRegistrations = invocation.integer('registrations', 1, 1_000);
  const body = {
    note: invocation.text('note') ?? '',
    ...(expiresAt !== undefined && { expiresAt }),
    ...(maxRegistrations !== undefined && { maxRegistrations }),
  };
  const { created, isShown } = await createSecret(
    invocation,
    () => {
      invocation.announceChange();
      return invocation.steadyClient.createEnrolment(body);
    },
    ({ file }) => `${JSON.stringify(file, null, 2)}\n`,
  );
  const { file, ...enrolment } = created;
  await invocation.printer.document({ ...enrolment, ...(isShown && { file }) }, { name: (item) => item.enrolmentId });
}
