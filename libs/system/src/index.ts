export { lockDirectory, DirectoryInUse, assertUnlocked, type DirectoryLock } from './directory-lock.js';
export {
  appendPrivateFile,
  assertPrivateFolder,
  readPrivateFile,
  UnsafeFile,
  writePrivateFile,
} from './private-files.js';
export {
  runPs,
  errorCode,
  errorMessage,
  isValidPid,
  isProcessRunning,
  processStartTime,
  readProc,
  withProgress,
} from './running-process.js';
export { decodeText, readTextFile } from './text-file.js';
