export type ComponentStatus = 'Unknown' | 'Healthy' | 'Warning' | 'Critical';

/** The statuses by rank, 0 (unknown) to 3 (critical): a store saves the rank, so that it can be filtered. */
export const STATUS_BY_RANK = [
  'Unknown',
  'Healthy',
  'Warning',
  'Critical',
] as const satisfies readonly ComponentStatus[];

export const statusRank = (status: ComponentStatus): number => STATUS_BY_RANK.indexOf(status);
