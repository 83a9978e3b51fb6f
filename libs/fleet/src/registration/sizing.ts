export const GIGABYTE = 1_000_000_000;

/** The capacity of a process server with this hardware; `BelowTable` is less than the smallest row. */
export type SizingClass = 'UpTo85Machines' | 'UpTo150Machines' | 'UpTo225Machines' | 'BelowTable';

/** The registered hardware; sizes in bytes. */
export interface Hardware {
  readonly cpuCores: number;
  readonly memoryBytes: number;
  readonly cacheDiskBytes: number;
}

/**
 * The sizing table of an additional process server, largest first. Gigabytes are decimal, because an "8 GB" machine
 * reports less than 8 GiB.
 */
export const SIZING_TABLE: readonly (Hardware & { readonly sizingClass: Exclude<SizingClass, 'BelowTable'> })[] = [
  { sizingClass: 'UpTo225Machines', cpuCores: 12, memoryBytes: 24 * GIGABYTE, cacheDiskBytes: 1_000 * GIGABYTE },
  { sizingClass: 'UpTo150Machines', cpuCores: 8, memoryBytes: 12 * GIGABYTE, cacheDiskBytes: 600 * GIGABYTE },
  { sizingClass: 'UpTo85Machines', cpuCores: 4, memoryBytes: 8 * GIGABYTE, cacheDiskBytes: 300 * GIGABYTE },
];

/** The largest row that the hardware meets in every column. */
export function sizingClassOf({ cpuCores, memoryBytes, cacheDiskBytes }: Hardware): SizingClass {
  const row = SIZING_TABLE.find(
    (needs) => cpuCores >= needs.cpuCores && memoryBytes >= needs.memoryBytes && cacheDiskBytes >= needs.cacheDiskBytes,
  );
  return row?.sizingClass ?? 'BelowTable';
}
