export {
  appendPrivateFile,
  assertPrivateFolder,
  assertUnlocked,
  decodeText,
  DirectoryInUse,
  errorCode,
  errorMessage,
  isProcessRunning,
  isValidPid,
  lockDirectory,
  readPrivateFile,
  readProc,
  readTextFile,
  runPs,
  UnsafeFile,
  withProgress,
  writePrivateFile,
  type DirectoryLock,
} from '@app/system';
export { SystemRandomness, UuidIdentifiers } from './randomness.js';
export {
  API_KEY_PREFIX,
  CREDENTIAL_PREFIX,
  HmacCredentials,
  isApiKey,
  isPassphrase,
  newApiKey,
  newPassphrase,
  newSharedKey,
  visiblePrefix,
  constantTimeEqual,
  sha256,
  RandomSecretGenerator,
} from './secrets.js';
export { ENROLMENT_TOKEN_PREFIX, EnrolmentTokens, type VerifiedEnrolmentToken } from './enrolment-tokens.js';
export type { DatabaseSettings } from './database-settings.js';
export { maxOpenSockets } from './file-descriptor-limit.js';
export { seededRandom } from './seeded-random.js';
export { SETTINGS } from './setting-definitions.js';
export {
  readServerSettings,
  readSettings,
  SettingsError,
  type ProxySettings,
  type ServerSettings,
  type Settings,
  type TlsSettings,
} from './settings.js';
export { SystemClock } from './system-clock.js';
export { validateTlsPair, type TlsValidity } from './tls-pair.js';
export { TrustedProxies } from './trusted-proxies.js';
