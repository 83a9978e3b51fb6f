import type { HealthErrorCode } from './health-errors.js';

/** What an operator needs to know of a health error. */
export interface HealthErrorDescription {
  /** The error code of the portal; null where it documents none. */
  readonly portalCode: number | null;
  readonly levels: readonly ('Warning' | 'Critical')[];
  readonly category: 'Connectivity' | 'Load' | 'Services' | 'Certificate';
  readonly source: 'ConfigurationServer' | 'ProcessServer';
  /** One line for lists. */
  readonly summary: string;
  readonly message: string;
  readonly possibleCauses: string;
  readonly recommendedAction: string;
  /** Whether the customer can resolve it without support. */
  readonly customerResolvability: 'Allowed' | 'NotAllowed';
}

/** All health errors: responses and the page `docs/common-issues.md` are made from it. */
export const HEALTH_ERROR_CATALOGUE: Readonly<Record<HealthErrorCode, HealthErrorDescription>> = {
  heartbeat_missing: {
    portalCode: 806,
    levels: ['Critical'],
    category: 'Connectivity',
    source: 'ConfigurationServer',
    summary: 'No heartbeat for the health window',
    message: 'The lease has ended and no heartbeat has arrived for the health window.',
    possibleCauses:
      'The machine is off, its agent is stopped, its network or proxy does not reach this server, or its credential is rejected.',
    recommendedAction: 'See its diagnosis; check that its machine is running and can reach this server.',
    customerResolvability: 'Allowed',
  },
  cpu_high: {
    portalCode: null,
    levels: ['Warning', 'Critical'],
    category: 'Load',
    source: 'ProcessServer',
    summary: 'CPU use is above 80 %',
    message: 'The CPU use was above 80 % (Warning) or 95 % (Critical) in every report of the health window.',
    possibleCauses: 'More machines or churn than its size class allows, or another program on the machine.',
    recommendedAction: 'Move protected machines to another process server, or add CPU cores.',
    customerResolvability: 'Allowed',
  },
  memory_high: {
    portalCode: null,
    levels: ['Warning', 'Critical'],
    category: 'Load',
    source: 'ProcessServer',
    summary: 'More than 80 % of the memory is in use',
    message:
      'More than 80 % (Warning) or 95 % (Critical) of the memory was in use in every report of the health window.',
    possibleCauses: 'More machines than its size class allows, or another program on the machine.',
    recommendedAction: 'Move protected machines to another process server, or add memory.',
    customerResolvability: 'Allowed',
  },
  cache_space_low: {
    portalCode: null,
    levels: ['Warning', 'Critical'],
    category: 'Load',
    source: 'ProcessServer',
    summary: 'Less than 30 % of the cache disk is free',
    message:
      'Less than 30 % (Warning) or 25 % (Critical) of the cache disk was free in every report of the health window.',
    possibleCauses: 'The upload is slower than the churn, or the cache disk is too small for the churn.',
    recommendedAction: 'Check the upload to the target; below 20 %, the process server throttles its sources.',
    customerResolvability: 'Allowed',
  },
  upload_slow: {
    portalCode: null,
    levels: ['Warning', 'Critical'],
    category: 'Load',
    source: 'ProcessServer',
    summary: 'The pending upload needs more than 30 minutes',
    message:
      'The pending upload needed more than 30 (Warning) or 45 minutes (Critical) in every report of the health window.',
    possibleCauses: 'Too little bandwidth, throttling on the network or the target, or a peak of churn.',
    recommendedAction: 'Check the network throughput and the churn of the protected machines.',
    customerResolvability: 'Allowed',
  },
  services_not_running: {
    portalCode: null,
    levels: ['Warning'],
    category: 'Services',
    source: 'ProcessServer',
    summary: 'A service has not been running for the health window',
    message: 'At least one service was not running in every report of the health window.',
    possibleCauses: 'A service was stopped, failed to start, or is disabled after an update.',
    recommendedAction: 'Start the services listed as not running.',
    customerResolvability: 'Allowed',
  },
  certificate_expired: {
    portalCode: null,
    levels: ['Critical'],
    category: 'Certificate',
    source: 'ProcessServer',
    summary: 'The certificate has expired',
    message: 'The certificate that the process server reports has expired.',
    possibleCauses: 'The certificate was not renewed, or the renewed one is not in use.',
    recommendedAction: 'Renew the certificate and register it again.',
    customerResolvability: 'Allowed',
  },
  certificate_expiring: {
    portalCode: null,
    levels: ['Warning'],
    category: 'Certificate',
    source: 'ProcessServer',
    summary: 'The certificate expires within 60 days',
    message: 'The certificate that the process server reports expires within 60 days.',
    possibleCauses: 'The certificate nears the end of its lifetime.',
    recommendedAction: 'Renew the certificate before it expires.',
    customerResolvability: 'Allowed',
  },
};

/** The page of the catalogue in Markdown. */
export function commonIssuesPage(): string {
  const sections = Object.entries(HEALTH_ERROR_CATALOGUE).map(([code, error]) =>
    [
      `## ${error.summary}`,
      '',
      `- Error code: \`${code}\`${error.portalCode === null ? '' : `, ${error.portalCode} in the portal`}`,
      `- Level: ${error.levels.join(', ')}`,
      `- Category: ${error.category}, reported by the ${error.source === 'ProcessServer' ? 'process server' : 'configuration server'}`,
      `- Meaning: ${error.message}`,
      `- Possible causes: ${error.possibleCauses}`,
      `- Recommended action: ${error.recommendedAction}`,
      '',
    ].join('\n'),
  );
  return [
    '# Common issues',
    '',
    '<!-- Generated by `npm run common-issues` from libs/fleet/src/health/health-error-catalogue.ts -->',
    '',
    'The health errors of a process server, as `healthErrors` in its detail. The health window is `HEALTH_WINDOW_SECONDS`',
    '([settings](settings.md)); a signal is cleared after a third of it.',
    '',
    ...sections,
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}
