/** Stops the PostgreSQL that global-setup.ts started. */
export default (): Promise<void> =>
  (globalThis as unknown as { stopTestDatabase(): Promise<void> }).stopTestDatabase();
