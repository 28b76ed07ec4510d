import type { Migration } from "./migrate.ts";

/** The W3C trace context of the call that enqueued a record: its publishing belongs to the same trace. */
export const up: Migration = ({ context: { sql } }) => sql("ALTER TABLE outbox ADD COLUMN traceparent TEXT");

export const down: Migration = ({ context: { sql } }) => sql("ALTER TABLE outbox DROP COLUMN traceparent");
