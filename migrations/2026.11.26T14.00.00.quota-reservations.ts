import type { Migration } from "./migrate.ts";

/**
 * Reservations of quotas, and limits that may be null, which is unlimited (contract 26).
 *
 * `reserve_quota` is a function so that a reservation is one round trip. Each statement of a VOLATILE function sees what
 * is committed when it begins: the sum is read after the lock, which one statement with a CTE could not do. The time is
 * read after the lock too: now() is the start of the transaction, which may have waited. Without a limit there is no
 * lock, and for the same reason no foreign key.
 */
export const up: Migration = async ({ context: { sql } }) => {
  await sql(`
    ALTER TABLE users ALTER COLUMN max_interviews DROP NOT NULL, ALTER COLUMN max_storage DROP NOT NULL`);
  await sql(`
    CREATE TABLE quota_reservations (
      id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
      user_id UUID NOT NULL,
      resource TEXT NOT NULL CHECK (resource IN ('interviews', 'storage')),
      amount BIGINT NOT NULL CHECK (amount > 0),
      expires_at TIMESTAMPTZ(3) NOT NULL,
      state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'committed', 'counted', 'released'))
    )`);
  await sql(`
    CREATE INDEX idx_quota_reservations_open ON quota_reservations (user_id, resource, expires_at)
    INCLUDE (amount) WHERE state = 'open'`);
  await sql("CREATE INDEX idx_quota_reservations_expires ON quota_reservations (expires_at)");
  await sql(`
    CREATE FUNCTION reserve_quota(reserve_for UUID, reserve_of TEXT, wanted BIGINT, seconds INTEGER)
    RETURNS TABLE (reservation UUID, expires TIMESTAMPTZ, remaining BIGINT) LANGUAGE plpgsql VOLATILE AS $$
    DECLARE
      quota BIGINT;
      used BIGINT;
      moment TIMESTAMPTZ;
    BEGIN
      LOOP
        SELECT
          CASE reserve_of WHEN 'interviews' THEN max_interviews ELSE max_storage END,
          greatest(CASE reserve_of WHEN 'interviews' THEN interviews_created ELSE storage_used END, 0)
        INTO quota, used
        FROM users
        WHERE id = reserve_for AND deleted_at IS NULL
          AND CASE reserve_of WHEN 'interviews' THEN max_interviews ELSE max_storage END IS NOT NULL
        FOR UPDATE;
        EXIT WHEN FOUND;
        SELECT CASE reserve_of WHEN 'interviews' THEN max_interviews ELSE max_storage END INTO quota
        FROM users WHERE id = reserve_for AND deleted_at IS NULL;
        IF NOT FOUND THEN RETURN; END IF;
        EXIT WHEN quota IS NULL; -- else a limit was set just now
      END LOOP;

      moment := clock_timestamp();
      IF quota IS NOT NULL THEN
        SELECT greatest(quota - used - coalesce(sum(amount), 0), 0) INTO remaining
        FROM quota_reservations
        WHERE user_id = reserve_for AND resource = reserve_of AND state = 'open' AND expires_at > moment;
        IF remaining < wanted THEN
          RETURN NEXT; -- what remains, and no reservation
          RETURN;
        END IF;
        remaining := remaining - wanted;
      END IF;

      INSERT INTO quota_reservations (user_id, resource, amount, expires_at)
      VALUES (reserve_for, reserve_of, wanted, moment + seconds * interval '1 second')
      RETURNING id, expires_at INTO reservation, expires;
      RETURN NEXT;
    END
    $$`);
};

/** "Unlimited" becomes the highest possible limit. */
export const down: Migration = async ({ context: { sql } }) => {
  await sql("DROP FUNCTION reserve_quota(UUID, TEXT, BIGINT, INTEGER)");
  await sql("DROP TABLE quota_reservations");
  await sql("UPDATE users SET max_interviews = 2147483647 WHERE max_interviews IS NULL");
  await sql("UPDATE users SET max_storage = 9007199254740991 WHERE max_storage IS NULL");
  await sql(`
    ALTER TABLE users ALTER COLUMN max_interviews SET NOT NULL, ALTER COLUMN max_storage SET NOT NULL`);
};
