/** Stops the database of the set-up, if any, and removes its folder. */
export default async function globalTeardown() {
  await globalThis.removeThrowAwayDatabase?.();
}
