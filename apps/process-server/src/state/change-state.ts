import { setTimeout as pause } from 'node:timers/promises';
import { AgentError } from '../output/agent-error.js';
import type { AgentState } from './agent-state.js';
import { lockState } from './folder-lock.js';
import type { StateFile } from './state-file.js';

const RETRY_MS = 100;
/** Another command may be waiting for the response of the configuration server. */
const WAIT_MS = 40_000;

/** Runs one change of the state while no other process changes it. @throws AgentError if another one does not end. */
export async function withLockedState<Result>(file: StateFile, work: () => Promise<Result>): Promise<Result> {
  const lock = await lockedWithin(file.folder);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/** Reads, changes and writes the state. `change` may return the same state, which is not written. */
export const changeState = (file: StateFile, change: (state: AgentState | null) => AgentState): Promise<AgentState> =>
  withLockedState(file, async () => {
    const { state } = await file.read();
    const changed = change(state);
    if (changed !== state) await file.write(changed);
    return changed;
  });

async function lockedWithin(folder: string) {
  const deadlineMs = performance.now() + WAIT_MS;
  for (;;) {
    try {
      return await lockState(folder);
    } catch (error) {
      const isInUse = error instanceof AgentError && error.code === 'state_folder_in_use';
      if (!isInUse || performance.now() > deadlineMs) throw error;
      await pause(RETRY_MS);
    }
  }
}
