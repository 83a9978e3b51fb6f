const AFTER_SUCCESS = ['none', 'upgrade'] as const;
const AFTER_REJECTION = ['stop', 'reregister', 'ask_operator', 'upgrade', 'retry'] as const;

/** What the configuration server instructs the agent to do. */
export type Instruction = (typeof AFTER_SUCCESS)[number] | (typeof AFTER_REJECTION)[number];

/** An unknown or missing instruction means `none` in a success response and `retry` in a rejection. */
export function instructionOf(isAccepted: boolean, instruction: unknown): Instruction {
  const known: readonly Instruction[] = isAccepted ? AFTER_SUCCESS : AFTER_REJECTION;
  return known.find((name) => name === instruction) ?? (isAccepted ? 'none' : 'retry');
}
