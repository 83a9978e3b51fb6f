/** Version of the agent, four parts. It must not be newer than the configuration server's. */
export const AGENT_VERSION = '1.0.0.0';
