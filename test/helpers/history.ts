import type { HistoryEntry } from "../../services/users/users.contract.ts";
import { uploadOf } from "./form.ts";
import { jpeg } from "./images.ts";
import type { requestsOf } from "./one-user.ts";
import type { TestService } from "./service.ts";

/** The entries of a user as they are stored, oldest first. */
export async function entriesOf(service: TestService, id: string): Promise<HistoryEntry[]> {
  const rows = await service.database.sql<
    HistoryEntry & { kind: HistoryEntry["by"]["kind"]; who: string | null }
  >(
    `SELECT version::int AS version, at, by_kind AS kind, by_id AS who, event_id AS "eventId",
       trace_id AS "traceId", changes
     FROM user_history WHERE user_id = $1 ORDER BY user_history.version`,
    [id],
  );
  return rows.map(({ kind, who, at, ...entry }) => ({
    ...entry,
    at: new Date(at).toISOString(),
    by: { kind, ...(who !== null && { id: who }) },
  }));
}

/** Changes every field that is part of a version of a user. */
export async function changeAll({ ask, succeed }: ReturnType<typeof requestsOf>, id: string): Promise<void> {
  await succeed("PUT", "/profile", { fullName: "New Name", companyName: "Engines", phone: "+4930901820" });
  await succeed("PUT", "/email", { email: `moved-${id}@example.com` });
  await succeed("PATCH", "/preferences", { timezone: "Europe/Berlin", notifications: { marketing: true } });
  await succeed("PATCH", "/quotas", { maxInterviews: null, maxStorage: 5 });
  await ask(uploadOf(id, await jpeg({ left: "#00ff00" })));
}
