import { query } from "../../models/database.ts";

/** The statements of the operator commands for records that Kafka refused for good. */

/** A record that is set aside, as the commands show it. */
export type SetAside = {
  id: number;
  topic: string;
  key: string | null;
  bytes: number;
  fault: string;
  setAsideAt: Date;
};

/** The oldest 100. */
export const listSetAside = (): Promise<SetAside[]> =>
  query<SetAside>(
    {
      name: "list-set-aside",
      text: `
        SELECT id, topic, key, octet_length(value::text) AS bytes, fault, set_aside_at AS "setAsideAt"
        FROM outbox WHERE fault IS NOT NULL ORDER BY id LIMIT 100`,
    },
    [],
  );

/** The ids of some records, or all that are set aside. */
export type Selection = number[] | "all";

const SELECTED = "fault IS NOT NULL AND ($1::bigint[] IS NULL OR id = ANY($1))";

async function change(name: string, text: string, selection: Selection): Promise<number[]> {
  const ids = selection === "all" ? null : selection;
  return (await query<{ id: number }>({ name, text: `${text} RETURNING id` }, [ids])).map(({ id }) => id);
}

/** Publishes records again, before the later records of their keys. Returns the ids that were set aside. */
export const retrySetAside = (selection: Selection): Promise<number[]> =>
  change("retry-set-aside", `UPDATE outbox SET fault = NULL WHERE ${SELECTED}`, selection);

/** Deletes records; the later records of their keys are then published. Returns the ids that were set aside. */
export const discardSetAside = (selection: Selection): Promise<number[]> =>
  change("discard-set-aside", `DELETE FROM outbox WHERE ${SELECTED}`, selection);
