import type { Condition } from './reported-health.js';

/** An action of a simulated process server; a condition decides what its heartbeats report from then on. */
export type Action =
  'stop_heartbeats' | 'resume_heartbeats' | 'register_again' | 'unregister' | { readonly condition: Condition };

/** `at` is a share of the run: 0 is its start, 1 its end. */
export interface ScriptStep {
  readonly at: number;
  readonly action: Action;
}

export interface Behaviour {
  /** Text of the summary. */
  readonly meaning: string;
  /** Clock skew in milliseconds; `fraction` is the server's random number in [0, 1). */
  readonly clockSkewMs?: (fraction: number) => number;
  /** Number of machines that send under one host id; default 1. */
  readonly senders?: number;
  readonly script: (fraction: number) => readonly ScriptStep[];
}

const MAX_SKEW_MS = 10 * 60_000;

const never = (): readonly ScriptStep[] => [];

/** The simulated behaviours. Servers with a fixed `at` act in the same second. */
export const BEHAVIOURS = {
  steady: { meaning: 'sends heartbeats at the assigned interval', script: never },
  flapping: {
    meaning: 'stops and resumes its heartbeats, twice',
    script: (fraction) => [
      { at: 0.05 + 0.2 * fraction, action: 'stop_heartbeats' },
      { at: 0.3 + 0.15 * fraction, action: 'resume_heartbeats' },
      { at: 0.5 + 0.15 * fraction, action: 'stop_heartbeats' },
      { at: 0.75 + 0.15 * fraction, action: 'resume_heartbeats' },
    ],
  },
  'site-outage': {
    meaning: 'its whole site stops its heartbeats for a third of the run',
    script: () => [
      { at: 1 / 3, action: 'stop_heartbeats' },
      { at: 2 / 3, action: 'resume_heartbeats' },
    ],
  },
  clones: { meaning: 'two machines send heartbeats under one host id', senders: 2, script: never },
  'skewed-clock': {
    meaning: 'its clock skew is up to ten minutes',
    clockSkewMs: (fraction) => (2 * fraction - 1) * MAX_SKEW_MS,
    script: never,
  },
  overloaded: {
    meaning: 'its CPU use rises above 80 %, then above 95 %, and falls again',
    script: () => [
      { at: 0.05, action: { condition: 'busy_cpu' } },
      { at: 0.4, action: { condition: 'overloaded_cpu' } },
      { at: 0.8, action: { condition: 'healthy' } },
    ],
  },
  'full-cache': {
    meaning: 'its cache disk is more than 75 % full for the middle of the run',
    script: () => [
      { at: 0.2, action: { condition: 'full_cache' } },
      { at: 0.7, action: { condition: 'healthy' } },
    ],
  },
  'service-outage': {
    meaning: 'one of its services is stopped for the middle of the run',
    script: () => [
      { at: 0.2, action: { condition: 'stopped_service' } },
      { at: 0.7, action: { condition: 'healthy' } },
    ],
  },
  'reconnect-storm': {
    meaning: 'all register again in the same second',
    script: () => [{ at: 1 / 2, action: 'register_again' }],
  },
  'mass-decommission': {
    meaning: 'all unregister in the same second',
    script: () => [{ at: 2 / 3, action: 'unregister' }],
  },
} as const satisfies Record<string, Behaviour>;

export type BehaviourName = keyof typeof BEHAVIOURS;
export const BEHAVIOUR_NAMES = Object.keys(BEHAVIOURS) as BehaviourName[];

/** Parts of the fleet with the same behaviour. */
export type Mix = Readonly<Partial<Record<BehaviourName, number>>>;

export const DEFAULT_MIX: Mix = {
  steady: 45,
  flapping: 10,
  'site-outage': 10,
  clones: 5,
  'skewed-clock': 5,
  overloaded: 5,
  'full-cache': 5,
  'service-outage': 5,
  'reconnect-storm': 5,
  'mass-decommission': 5,
};

/** The behaviour of each of `count` servers: the parts of the mix in order, rounded so that they add up. */
export function distribute(mix: Mix, count: number): BehaviourName[] {
  const parts = Object.entries(mix) as [BehaviourName, number][];
  const whole = parts.reduce((sum, [, part]) => sum + part, 0);
  const fleet: BehaviourName[] = [];
  let upTo = 0;
  for (const [name, part] of parts) {
    upTo += part;
    while (fleet.length < Math.round((count * upTo) / whole)) fleet.push(name);
  }
  return fleet;
}
