import { IDENTITY_INDEXES } from '../statements/entry.js';

/** Whether another entry has the same address, name or machine id as the row with this alias; one index lookup for each. */
export const duplicateConditionSql = (alias: string): string =>
  `(${Object.entries(IDENTITY_INDEXES)
    .map(
      ([column, index]) =>
        `EXISTS (SELECT 1 FROM process_server AS q FORCE INDEX (${index}) WHERE q.${column} = ${alias}.${column} AND q.host_id <> ${alias}.host_id)`,
    )
    .join('\n    OR ')})`;
