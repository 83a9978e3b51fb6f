import { confirmChange } from '../confirmation.js';
import type { Invocation } from '../invocation.js';

export async function run(invocation: Invocation): Promise<void> {
  const overlapSeconds = invocation.duration('overlap');
  await confirmChange(invocation, 'Rotate the passphrase? Process servers need the new one to register.');
  const rotation = await invocation.steadyClient.rotatePassphrase(
    overlapSeconds === undefined ? {} : { overlapSeconds },
  );
  await invocation.printer.document(rotation, { name: ({ passphraseId }) => passphraseId });
}
