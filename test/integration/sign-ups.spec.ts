import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { blockEmail } from "../helpers/block-email.ts";
import { collectEvents, outboxEmpty } from "../helpers/collect-events.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

const events = collectEvents();
let service: TestService;
let insertUser: typeof import("../../services/users/users.store.ts").insertUser;
let newUser: typeof import("../../services/users/users.rules.ts").newUser;
beforeAll(async () => {
  service = await startService({ services: [events.schema] });
  ({ insertUser } = await import("../../services/users/users.store.ts"));
  ({ newUser } = await import("../../services/users/users.rules.ts"));
});
afterAll(() => service.stop());

test("a sign-up waits alone for an uncommitted one: others of the same moment are created", async () => {
  const [taken, free] = ["taken", "free"].map((name) =>
    newUser(
      { keycloakId: name, email: `${name}@example.com`, profile: { fullName: "Ada" } },
      crypto.randomUUID(),
      new Date(),
    ),
  );
  if (!taken || !free) throw new Error("There are two");
  const holder = await blockEmail(service.database, taken.user.email);
  const start = performance.now();
  const [waiting, created] = [taken, free].map(({ user, event }) =>
    insertUser({ id: "", requestID: "", meta: {} }, user, event),
  );
  expect(await created).toMatchObject({ email: free.user.email });
  expect(performance.now() - start).toBeLessThan(1_500); // half the time limit of a statement
  await waitFor(() => service.database.someoneWaits());
  await holder.end();
  expect(await waiting).toMatchObject({ email: taken.user.email });
});

/** A name that PostgreSQL's column does not hold fails the whole statement that it is part of. */
const fullName = fc.oneof(
  { arbitrary: fc.constant("Anna Example"), weight: 20 },
  { arbitrary: fc.constant("x".repeat(300)), weight: 1 },
);
const choice = fc.record({ email: fc.nat(15), keycloakId: fc.nat(15), fullName });

test("each of many sign-ups of the same moment is created with its event, or learns what is taken", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(choice, { minLength: 1, maxLength: 40 }), async (choices) => {
      const run = crypto.randomUUID();
      const users = choices.map(({ email, keycloakId, fullName }) =>
        newUser(
          { keycloakId: `${run} ${keycloakId}`, email: `${run}.${email}@example.com`, profile: { fullName } },
          crypto.randomUUID(),
          new Date(),
        ),
      );
      const outcomes = await Promise.allSettled(
        users.map(({ user, event }) => insertUser({ id: run, requestID: run, meta: {} }, user, event)),
      );

      const created = users.filter((_, index) => outcomes[index]?.status === "fulfilled");
      const emails = created.map(({ user }) => user.email);
      const keycloakIds = created.map(({ user }) => user.keycloakId);
      expect(new Set(emails).size).toBe(emails.length);
      expect(new Set(keycloakIds).size).toBe(keycloakIds.length);
      for (const [index, outcome] of outcomes.entries()) {
        const { user } = users[index] as (typeof users)[number];
        if (outcome.status === "fulfilled") {
          expect(outcome.value).toMatchObject({ ...user, version: 1 });
        } else if (user.fullName.length > 255) {
          expect(outcome.reason).toMatchObject({ code: "22001" });
        } else {
          const taken = outcome.reason.type === "EMAIL_TAKEN" ? emails : keycloakIds;
          expect(taken).toContain(outcome.reason.type === "EMAIL_TAKEN" ? user.email : user.keycloakId);
        }
      }
      const rows = await service.database.sql<{ id: string }>(
        "SELECT id FROM users WHERE keycloak_id LIKE $1 || ' %' ORDER BY id",
        [run],
      );
      expect(rows.map(({ id }) => id)).toEqual(created.map(({ user }) => user.id).sort());
      await outboxEmpty(service.database);
      const heard = events.heard.filter(({ metadata }) => metadata.correlationId === run);
      expect(heard.map(({ userId }) => userId).sort()).toEqual(created.map(({ user }) => user.id).sort());
    }),
    { numRuns: 30 },
  );
}, 60_000);
