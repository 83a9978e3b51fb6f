import { EntitySchema } from 'typeorm';
import * as fleetTables from './fleet-tables.js';
import * as processServerTables from './process-server.js';

const TABLES = [...Object.values(processServerTables), ...Object.values(fleetTables)];

/** The tables as TypeORM knows them; a module of its own, since most starts do not load TypeORM. */
export const ENTITY_SCHEMAS = TABLES.map(({ entity }) => new EntitySchema(entity));
