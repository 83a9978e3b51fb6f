export { claimDirectory, DirectoryInUse, type DirectoryClaim } from './directory-claim.js';
export { openPrivateDatabase, type PrivateDatabase } from './private-database.js';
export { isRunning } from './running-process.js';
export {
  appendPrivateFile,
  mustBePrivateFolder,
  readPrivateFile,
  UnsafeFile,
  writePrivateFile,
} from './private-files.js';
export { SystemRandomness, UuidIdentifiers } from './randomness.js';
export { errorCode, errorMessage, whileSaying } from './running-process.js';
export {
  API_KEY_PREFIX,
  CREDENTIAL_PREFIX,
  HmacCredentials,
  isApiKey,
  isPassphrase,
  newApiKey,
  newPassphrase,
  newSharedKey,
  prefixOf,
  sameBytes,
  sha256,
  SignedText,
  SystemSecrets,
} from './secrets.js';
export type { DatabaseSettings } from './database-settings.js';
export { mostSockets } from './descriptors.js';
export { seededFractions } from './seeded-fractions.js';
export {
  readSettings,
  SETTINGS,
  SettingsError,
  type ProxySettings,
  type Settings,
  type SettingRow,
  type TlsSettings,
} from './settings.js';
export { SystemClock } from './system-clock.js';
export { readTextFile, textOfFile } from './text-file.js';
export { usableTlsPair, type TlsValidity } from './tls-pair.js';
export { TrustedProxies } from './trusted-proxies.js';
