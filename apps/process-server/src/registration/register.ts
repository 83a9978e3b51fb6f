import { ApiProblemError } from '@app/api-client';
import type { RegistrationResponse } from '@app/api-contract';
import { readFacts } from '../facts/machine.js';
import type { AgentState } from '../state/agent-state.js';
import type { StateFile } from '../state/state-file.js';
import { explainError } from '../transport/failure.js';
import { openClient } from '../transport/open-client.js';
import { registrationSecret } from '../transport/secrets.js';

export interface Registered {
  readonly state: AgentState;
  readonly response: RegistrationResponse;
}

/**
 * Registers and stores the result; the caller holds the lock of the state. The intention is stored first: if this process is killed
 * between the commit of the configuration server and the write of its response, the agent knows that its credential may be replaced.
 * @throws AgentError, ApiProblemError
 */
export async function register(
  file: StateFile,
  state: AgentState,
  environment: NodeJS.ProcessEnv,
): Promise<Registered> {
  const secret = await registrationSecret(state.connection, environment);
  const facts = await readFacts(state);
  await file.write({ ...state, isRegistering: true });
  const client = await openClient(state.connection);
  try {
    const response = await client.register(state.hostId, secret, facts);
    const registered: AgentState = {
      ...state,
      registration: {
        generation: response.generation,
        credential: response.credential,
        intervalSeconds: response.heartbeatIntervalSeconds,
        leaseSeconds: response.leaseSeconds,
        registeredAt: new Date().toISOString(),
      },
      isRegistering: false,
      unregisterWish: null,
      ending: null,
    };
    await file.write(registered);
    return { state: registered, response };
  } catch (error) {
    // Rejected: nothing was committed, and the state before it is valid.
    if (error instanceof ApiProblemError && error.problem.status < 500) await file.write(state);
    throw explainError(error, state.connection);
  } finally {
    await client.close().catch(() => undefined);
  }
}
