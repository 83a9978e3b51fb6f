import type { AgentState } from '../state/agent-state.js';

/** For the operator of the configuration server, who removes an entry whose machine cannot do it. */
export const purgeAdvice = ({ hostId }: Pick<AgentState, 'hostId'>): string =>
  `An operator removes the entry with: csctl purge ${hostId} --reason "uninstalled"`;
