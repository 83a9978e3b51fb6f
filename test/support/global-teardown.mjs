/** Stops the database that the set-up opened, if it opened one, and removes its folder. */
export default async function globalTeardown() {
  await globalThis.removeThrowAwayDatabase?.();
}
