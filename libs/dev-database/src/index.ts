export { findDatabaseProgram } from './database-program.js';
export { argumentsForData, findServersForDataDir, resolvePaths, type RunningDatabase } from './database-process.js';
export { initializeDataDirectory } from './data-directory.js';
export { launch, type Launch } from './launcher.js';
export {
  openPrivateDatabase,
  stopOrphanedDatabase,
  type DatabaseProfile,
  type PrivateDatabase,
  type PrivateDatabaseAddress,
} from './private-database.js';
export { terminateProcess, findProcessesByArgument } from './processes.js';
