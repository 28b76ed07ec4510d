import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { DEFAULT_PREFERENCES, type HistoryEntry } from "../../services/users/users.contract.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { uploadOf } from "../helpers/form.ts";
import { entriesOf } from "../helpers/history.ts";
import { jpeg } from "../helpers/images.ts";
import { createUser, type Person, rowOf } from "../helpers/people.ts";
import { type Answered, type Asked, request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 24 with random changes, many of them concurrent. */

const events = collectEvents();
let service: TestService;
let headers: Record<string, string>;
let avatars: Buffer[];
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
  headers = { ...service.internal, ...(await service.admin()) };
  avatars = [await jpeg({ left: "#00ff00" }), await jpeg({ left: "#0000ff" })];
});
afterAll(() => service.stop());

const texts = fc.constantFrom("a b", "c d", "e f");
const optionalTexts = fc.option(texts, { nil: null });
const limits = fc.option(fc.nat({ max: 2 }), { nil: null });

/** A request at `/users/:id`, as method, rest of the path and body. */
type Step = [method: string, rest: string, body: unknown];
const step = (method: string, rest: string, body: fc.Arbitrary<unknown> = fc.constant(undefined)) =>
  fc.tuple(fc.constant(method), fc.constant(rest), body) as fc.Arbitrary<Step>;
const profile = fc.record(
  { fullName: texts, bio: optionalTexts, companyName: optionalTexts },
  { requiredKeys: [] },
);
const changes: fc.Arbitrary<Step> = fc.oneof(
  step("PATCH", "", fc.record({ profile })),
  step(
    "PUT",
    "/profile",
    fc.record({ fullName: texts, phone: optionalTexts }, { requiredKeys: ["fullName"] }),
  ),
  step("PUT", "/email", fc.record({ email: fc.nat({ max: 3 }) })),
  step(
    "PATCH",
    "/preferences",
    fc.record(
      {
        language: fc.constantFrom("en", "de"),
        notifications: fc.record({ email: fc.boolean(), marketing: fc.boolean() }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    ),
  ),
  step("PATCH", "/quotas", fc.record({ maxInterviews: limits, maxStorage: limits }, { requiredKeys: [] })),
  step("DELETE", "/avatar"),
  step("POST", "/stats/increment-interviews"),
  step("POST", "/revert", fc.record({ version: fc.integer({ min: 1, max: 12 }) })),
);
/** An upload takes as much CPU time as some twenty other changes, so it is rare. */
const steps: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: changes, weight: 20 },
  { arbitrary: step("POST", "/avatar", fc.nat({ max: 1 })), weight: 1 },
);
/** Rounds of concurrent changes, and whether the user is deleted at the end. */
const rounds = fc.array(fc.array(steps, { minLength: 1, maxLength: 6 }), { maxLength: 6 });

const ask = (asked: Asked): Promise<Answered> =>
  request(service.url, { ...asked, headers: { ...asked.headers, ...headers } });

function toRequest(id: string, [method, rest, given]: Step): Asked {
  if (method === "POST" && rest === "/avatar") return uploadOf(id, avatars[Number(given)] as Buffer);
  const body =
    rest === "/email" ? { email: `${(given as { email: number }).email}.${id}@example.com` } : given;
  return { method, path: `/api/v1/users/${id}${rest}`, body: body as object | undefined };
}

/** The recorded columns of a user, as answers show them, with complete preferences. */
async function recordedOf(id: string): Promise<Record<string, unknown>> {
  const row = await rowOf(service, id);
  const stored = row.preferences as typeof DEFAULT_PREFERENCES;
  const preferences = { ...DEFAULT_PREFERENCES, ...stored };
  const notifications = { ...DEFAULT_PREFERENCES.notifications, ...stored.notifications };
  return {
    keycloakId: row.keycloak_id,
    email: row.email,
    fullName: row.full_name,
    companyName: row.company_name,
    phone: row.phone,
    bio: row.bio,
    avatarUrl: row.avatar_url,
    maxInterviews: row.max_interviews,
    maxStorage: row.max_storage === null ? null : Number(row.max_storage),
    deletedAt: (row.deleted_at as Date | null)?.toISOString() ?? null,
    "preferences.language": preferences.language,
    "preferences.timezone": preferences.timezone,
    ...Object.fromEntries(
      Object.entries(notifications).map(([name, value]) => [`preferences.notifications.${name}`, value]),
    ),
  };
}

/** The recorded fields before a creation: null, and default preferences. */
const nothing = (fields: string[]): Record<string, unknown> => ({
  ...Object.fromEntries(fields.map((field) => [field, null])),
  "preferences.language": "en",
  "preferences.timezone": "UTC",
  ...Object.fromEntries(
    Object.entries(DEFAULT_PREFERENCES.notifications).map(([name, value]) => [
      `preferences.notifications.${name}`,
      value,
    ]),
  ),
});

/** Every `from` must be the last `to` of the entries before it. */
function replay(entries: HistoryEntry[], fields: string[]): Record<string, unknown> {
  const state = nothing(fields);
  for (const { changes } of entries)
    for (const [field, { from, to }] of Object.entries(changes)) {
      expect([field, from]).toEqual([field, state[field]]);
      state[field] = to;
    }
  return state;
}

async function play({ id }: Person, all: Step[][], isDeleted: boolean): Promise<void> {
  for (const round of all) {
    const statuses = await Promise.all(round.map(async (step) => (await ask(toRequest(id, step))).status));
    for (const status of statuses) expect([200, 404]).toContain(status); // 404: no avatar, no such version
  }
  if (isDeleted) await ask({ method: "DELETE", path: `/api/v1/users/${id}` });
}

test("after any mix of changes, replaying the history from the creation gives exactly the row, and except for quotas, each published event belongs to exactly one history entry, and each entry to one event", async () => {
  await fc.assert(
    fc.asyncProperty(rounds, fc.boolean(), async (all, isDeleted) => {
      const person = await createUser(service);
      await play(person, all, isDeleted);
      const [row, entries] = [await recordedOf(person.id), await entriesOf(service, person.id)];
      expect(replay(entries, Object.keys(row))).toEqual(row);

      await outboxEmpty(service.database);
      const published = events.received.filter(
        ({ userId, eventType }) => userId === person.id && !eventType.startsWith("user.quota"),
      );
      const isOfQuotas = ({ changes }: HistoryEntry) =>
        Object.keys(changes).every((field) => /^max/.test(field));
      const linked = entries.filter((entry) => !isOfQuotas(entry)).map(({ eventId }) => eventId);
      expect(linked).toEqual(published.map(({ eventId }) => eventId));
      for (const entry of entries.filter(isOfQuotas)) expect(entry.eventId).toBeNull();
    }),
    { numRuns: 40 },
  );
}, 120_000);

test("each version shows the user at the time of that version", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 8 }), async (all) => {
      const { id } = await createUser(service);
      const seen = new Map<number, unknown>();
      const look = async () => {
        const { body } = await ask({ path: `/api/v1/users/${id}` });
        const preferences = (await ask({ path: `/api/v1/users/${id}/preferences` })).body;
        const { profile, email, quotas } = body;
        seen.set(Number((await rowOf(service, id)).version), { profile, email, quotas, preferences });
      };
      await look();
      for (const step of all) {
        await ask(toRequest(id, step));
        await look();
      }
      for (const [version, expected] of seen)
        expect((await ask({ path: `/api/v1/users/${id}?version=${version}` })).body).toMatchObject(
          expected as object,
        );
    }),
    { numRuns: 15 },
  );
}, 120_000);
