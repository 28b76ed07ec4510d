import type pg from "pg";
import { createUser } from "./people.ts";
import type { Headers } from "./request.ts";
import type { TestService } from "./service.ts";

export type Reserved = { reservationId: string; expiresAt: string; remaining: number | null };

/** An id that no reservation has. */
export const MISSING = "00000000-0000-4000-8000-000000000000";

/** Calls and events about the reservations of a service (contract 26), which starts later. */
export function reservationsOf(getService: () => TestService) {
  const pathOf = (id: string, rest = "") => `/api/v1/users/${id}/quota/reservations${rest}`;
  const reserve = (id: string, body: object, headers: Headers = {}) =>
    getService().http.post(pathOf(id)).set(getService().internal).set(headers).send(body);
  const commit = (id: string, reservationId: string) =>
    getService()
      .http.post(pathOf(id, `/${reservationId}/commit`))
      .set(getService().internal);
  const release = (id: string, reservationId: string) =>
    getService()
      .http.delete(pathOf(id, `/${reservationId}`))
      .set(getService().internal);
  const reserved = async (id: string, body: object): Promise<Reserved> =>
    (await reserve(id, body).expect(201)).body;
  const quotasOf = async (id: string) =>
    (await getService().http.get(`/api/v1/users/${id}/quotas`).set(getService().internal).expect(200)).body;
  const setQuotas = (id: string, limits: object) =>
    getService().http.patch(`/api/v1/users/${id}/quotas`).set(getService().internal).send(limits).expect(200);

  /** A user with this limit of interviews and 1,000 bytes. */
  async function userWith(maxInterviews: number | null = 10): Promise<string> {
    const { id } = await createUser(getService());
    await setQuotas(id, { maxInterviews, maxStorage: 1000 });
    return id;
  }
  /** Moves its expiry into the past. */
  const expire = (reservationId: string) =>
    getService().database.sql("UPDATE quota_reservations SET expires_at = now() WHERE id = $1", [
      reservationId,
    ]);
  const allReservations = () => getService().database.sql("SELECT * FROM quota_reservations ORDER BY id");
  const stateOf = async (reservationId: string) =>
    (
      await getService().database.sql("SELECT state FROM quota_reservations WHERE id = $1", [reservationId])
    )[0]?.state;

  const created = (userId: string, reservationId?: unknown, eventId = crypto.randomUUID()) => {
    const data = { interviewId: eventId, ...(reservationId !== undefined && { reservationId }) };
    return getService().broker.emit("interview.created", {
      eventId,
      eventType: "interview.created",
      userId,
      data,
    });
  };
  const uploaded = (userId: string, fileSize: number, reservationId?: string) => {
    const eventId = crypto.randomUUID();
    const data = { fileId: eventId, fileSize, reservationId };
    return getService().broker.emit("media.uploaded", { eventId, eventType: "media.uploaded", userId, data });
  };

  /** Locks a user's row in a separate transaction, until the connection ends. */
  async function lockUser(id: string): Promise<pg.Client> {
    const client = await getService().database.begin();
    await client.query("SELECT FROM users WHERE id = $1 FOR UPDATE", [id]);
    return client;
  }

  return {
    pathOf,
    reserve,
    commit,
    release,
    reserved,
    quotasOf,
    setQuotas,
    userWith,
    expire,
    allReservations,
    stateOf,
    created,
    uploaded,
    lockUser,
  };
}
