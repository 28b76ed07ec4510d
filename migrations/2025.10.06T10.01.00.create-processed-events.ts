import type { Migration } from "./migrate.ts";

/** Contract 5: the events that were counted, so that each counts once. */
export const up: Migration = async ({ context: { sql } }) => {
  await sql(`
    CREATE TABLE processed_events (
      id SERIAL PRIMARY KEY,
      event_id VARCHAR(255) NOT NULL,
      service_name VARCHAR(100) NOT NULL,
      topic VARCHAR(255) NOT NULL,
      processed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
      CONSTRAINT unique_event_per_service UNIQUE (event_id, service_name)
    )
  `);
  // rows live for 30 days, so the ids may start again
  await sql("ALTER SEQUENCE processed_events_id_seq CYCLE");
  await sql("CREATE INDEX idx_processed_events_event_id ON processed_events (event_id)");
  // for the purge: rows are in order of time, so a BRIN index of a few pages finds the old ones
  await sql("CREATE INDEX idx_processed_events_processed_at ON processed_events USING brin (processed_at)");
};

export const down: Migration = ({ context: { sql } }) => sql("DROP TABLE processed_events");
