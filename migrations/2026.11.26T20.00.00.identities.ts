import type { Migration } from "./migrate.ts";

/**
 * Identities in step with Keycloak (contract 27). What only the comparison with Keycloak needs is not in `users`, so
 * that a comparison makes no version of a user. `seen` is what Keycloak had then: its full name, and whether the
 * account is enabled, with the version of the user that it was compared with. A hint says that somebody may have
 * changed in Keycloak. Its key is that of the event, so that each event is one hint. `due_at` is null when it is done,
 * and infinity while a person has to decide; `again_at` is when Keycloak is asked once more, and `claimed_until` until
 * when a node is at work. The digest is the SHA-256 of an erased keycloakId: it recognises an old token, but does not
 * show whose it was.
 */
export const up: Migration = async ({ context: { sql } }) => {
  await sql(`
    ALTER TABLE users
    ADD COLUMN status TEXT NOT NULL DEFAULT 'active',
    ADD COLUMN status_reason TEXT`);
  await sql(`
    CREATE INDEX idx_users_suspended ON users (keycloak_id)
    WHERE status = 'suspended' AND deleted_at IS NULL`); // nearly empty: most requests of admins look here
  await sql(`
    CREATE TABLE identities (
      user_id UUID PRIMARY KEY,
      email_verified BOOLEAN,
      last_seen_at TIMESTAMPTZ(3),
      last_synced_at TIMESTAMPTZ(3),
      seen JSONB
    )`);
  await sql(`
    CREATE TABLE identity_hints (
      key VARCHAR(512) PRIMARY KEY,
      keycloak_id VARCHAR(255) NOT NULL,
      event_id VARCHAR(255),
      is_deletion BOOLEAN NOT NULL DEFAULT false,
      received_at TIMESTAMPTZ(3) NOT NULL DEFAULT now(),
      due_at TIMESTAMPTZ(3),
      again_at TIMESTAMPTZ(3),
      claimed_until TIMESTAMPTZ(3),
      signed_in_at TIMESTAMPTZ(3),
      attempts INTEGER NOT NULL DEFAULT 0,
      difference TEXT
    )`);
  await sql("CREATE INDEX idx_identity_hints_due_at ON identity_hints (due_at) WHERE due_at IS NOT NULL");
  await sql("CREATE INDEX idx_identity_hints_keycloak_id ON identity_hints (keycloak_id)");
  await sql(`
    CREATE TABLE identity_sweeps (
      kind TEXT PRIMARY KEY,
      next_at TIMESTAMPTZ(3) NOT NULL,
      claimed_until TIMESTAMPTZ(3),
      swept_at TIMESTAMPTZ(3),
      read_until TIMESTAMPTZ(3)
    )`);
  await sql("INSERT INTO identity_sweeps (kind, next_at) VALUES ('events', now()), ('full', now())");
  await sql("ALTER TABLE erasures ADD COLUMN keycloak_digest BYTEA");
  await sql("CREATE INDEX idx_erasures_keycloak_digest ON erasures (keycloak_digest)");
};

export const down: Migration = async ({ context: { sql } }) => {
  await sql("DROP INDEX idx_erasures_keycloak_digest");
  await sql("ALTER TABLE erasures DROP COLUMN keycloak_digest");
  await sql("DROP TABLE identity_sweeps, identity_hints, identities");
  await sql("ALTER TABLE users DROP COLUMN status, DROP COLUMN status_reason");
};
