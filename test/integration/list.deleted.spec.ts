import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import pg from "pg";
import type { UserPage } from "../../services/users/users.contract.ts";
import { fieldsOf } from "../helpers/errors.ts";
import { createUser, type Person } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";

/** Contract 23: `count` and `deleted` of GET /users. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

type Query = Record<string, string | number | boolean>;
const ask = (query: Query, by: Record<string, string> = service.internal) =>
  service.http.get("/api/v1/users").query(query).set(by);
const list = async (query: Query): Promise<UserPage> => (await ask(query).expect(200)).body;
const remove = ({ id }: { id: string }) =>
  service.http.delete(`/api/v1/users/${id}`).set(service.internal).expect(200);
const createMany = async (length: number, companyName: string): Promise<Person[]> => {
  const people: Person[] = [];
  for (let i = 0; i < length; i++) people.push(await createUser(service, { profile: { companyName } }));
  return people;
};

/** The SQL that a request sends for reading users. */
async function queriesOf(query: Query): Promise<string[]> {
  const sent = jest.spyOn(pg.Client.prototype, "query");
  await list(query);
  const texts = sent.mock.calls.map(([statement]) =>
    typeof statement === "string" ? statement : String((statement as { text?: string }).text),
  );
  sent.mockRestore();
  return texts.filter((text) => /FROM (\(SELECT .* FROM )?"users"/.test(text));
}

describe("count=true", () => {
  test("adds the exact total to each page, without totalIsLowerBound", async () => {
    const companyName = "Counted Ltd";
    await createMany(5, companyName);
    const query = { companyName, limit: 2, count: true };
    const first = await list(query);
    expect(first).toEqual({ items: expect.anything(), nextCursor: expect.any(String), total: 5 });
    const second = await list({ ...query, cursor: first.nextCursor ?? "" });
    expect([second.items.length, second.total]).toEqual([2, 5]);
  });

  test("counts only users that match the search and the filters", async () => {
    const [one] = await createMany(3, "Searched Ltd");
    expect((await list({ search: "searched", count: true })).total).toBe(3);
    expect((await list({ email: one?.email ?? "", count: true })).total).toBe(1);
    expect((await list({ search: "Nobody At All", count: true })).total).toBe(0);
  });

  test.each([
    { rows: 9_999, total: { total: 9_999 } },
    { rows: 10_000, total: { total: 10_000 } },
    { rows: 10_001, total: { total: 10_000, totalIsLowerBound: true } },
    { rows: 12_000, total: { total: 10_000, totalIsLowerBound: true } },
  ])("of $rows users is $total", async ({ rows, total }) => {
    const companyName = `Of ${rows}`;
    await service.database.sql(
      `INSERT INTO users (keycloak_id, email, full_name, company_name)
       SELECT $1 || n, $1 || n || '@example.com', 'Many', $1 FROM generate_series(1, $2::int) AS n`,
      [companyName, rows],
    );
    const { items: _, nextCursor: __, ...rest } = await list({ companyName, limit: 1, count: true });
    expect(rest).toEqual(total);
  });

  test("reads at most 10,001 rows to count", async () => {
    await service.database.sql("ANALYZE users"); // like autovacuum
    const [, count = ""] = await queriesOf({ count: true });
    const [{ "QUERY PLAN": plan } = {}] = await service.database.sql<Record<string, [{ Plan: Plan }]>>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${count.replaceAll('"users"', "user_service.users")}`,
    );
    const rows = (at: Plan): number[] => [at["Actual Rows"], ...(at.Plans ?? []).flatMap(rows)];
    expect(Math.max(...rows(plan?.[0].Plan as Plan))).toBe(10_001);
  });

  test("costs one more query, which is not sent without it", async () => {
    expect(await queriesOf({})).toHaveLength(1);
    expect(await queriesOf({ count: false })).toHaveLength(1);
    expect(await queriesOf({ count: true })).toHaveLength(2);
  });
});
type Plan = { "Actual Rows": number; Plans?: Plan[] };

test("without count and deleted, a page has neither total nor deletedAt", async () => {
  const page = await list({ limit: 5 });
  expect(Object.keys(page)).toEqual(["items", "nextCursor"]);
  for (const user of page.items) expect(user).not.toHaveProperty("deletedAt");
});

describe("deleted=true", () => {
  const companyName = "Left Ltd";
  let left: Person[];
  beforeAll(async () => {
    const people = await createMany(7, companyName);
    left = people.slice(0, 5);
    for (const person of left) await remove(person);
  });

  test("lists only deleted users, with the time of their deletion", async () => {
    const { items } = await list({ companyName, deleted: true });
    expect(items.map(({ id }) => id)).toEqual(left.map(({ id }) => id).reverse());
    const [row] = await service.database.sql<{ deleted_at: Date }>(
      "SELECT deleted_at FROM users WHERE id = $1",
      [items[0]?.id],
    );
    expect(items[0]?.deletedAt).toBe(row?.deleted_at.toISOString());
  });

  test("with deleted=false or without it, no deleted user is listed", async () => {
    expect((await list({ companyName })).items).toHaveLength(2);
    expect((await list({ companyName, deleted: false })).items).toHaveLength(2);
  });

  test.each([
    "createdAt",
    "-createdAt",
    "updatedAt",
    "-updatedAt",
    "email",
    "-email",
    "fullName",
    "-fullName",
  ])("is sorted by %s over pages, each user once", async (sort) => {
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const page: UserPage = await list({
        companyName,
        deleted: true,
        sort,
        limit: 2,
        ...(cursor && { cursor }),
      });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    const whole = (await list({ companyName, deleted: true, sort, limit: 100 })).items.map(({ id }) => id);
    expect(seen).toEqual(whole);
    expect([...seen].sort()).toEqual(left.map(({ id }) => id).sort());
  });

  test("accepts every filter and search, and can be counted", async () => {
    const [person] = left;
    const { email = "", keycloakId = "", createdAt = "" } = person ?? {};
    const ids = async (query: Query) => (await list({ deleted: true, ...query })).items.map(({ id }) => id);
    const queries: Query[] = [{ email: email.toUpperCase() }, { keycloakId }, { search: email }];
    for (const query of queries) expect(await ids(query)).toEqual([person?.id]);
    expect(await ids({ companyName, createdFrom: createdAt, createdTo: createdAt })).toContain(person?.id);
    expect((await list({ deleted: true, companyName, count: true })).total).toBe(5);
  });

  test("lists each deleted user of a person who signed up again", async () => {
    const { keycloakId, email } = await createUser(service);
    for (let i = 0; i < 2; i++) {
      const { items } = await list({ keycloakId });
      await remove(items[0] ?? { id: "" });
      if (i === 0) await createUser(service, { keycloakId, email });
    }
    expect((await list({ keycloakId, deleted: true })).items).toHaveLength(2);
    expect((await list({ keycloakId })).items).toEqual([]);
  });

  test("reads an index of deleted users, for any sort", async () => {
    for (const sort of ["createdAt", "-updatedAt", "email", "-fullName"]) {
      const [text = ""] = await queriesOf({ deleted: true, sort });
      const plan = await service.database.sql(
        `EXPLAIN ${text.replace(/^.*?: /, "").replaceAll('"users"', "user_service.users")}`,
      );
      expect(JSON.stringify(plan)).toMatch(/idx_users_deleted_/);
    }
  });
});

describe("is refused", () => {
  test.each([
    ["count=yes", "count"],
    ["count=", "count"],
    ["count=1", "count"],
    ["deleted=on", "deleted"],
    ["deleted=2", "deleted"],
    ["deleted=true&deleted=true", "deleted"],
  ])("with 400 for ?%s", async (query, field) => {
    const answer = await service.http.get(`/api/v1/users?${query}`).set(service.internal).expect(400);
    expect(fieldsOf(answer.body)).toEqual([field]);
  });

  test("with 403 for users who are not admins", async () => {
    const stranger = await service.user("a-stranger");
    await ask({ count: true }, stranger).expect(403);
    await ask({ deleted: true }, stranger).expect(403);
    await ask({ count: true, deleted: true }, await service.admin()).expect(200);
  });
});

test("the action users.list accepts count and deleted as booleans", async () => {
  expect(await service.broker.call("users.list", { count: true, deleted: true, limit: 1 })).toMatchObject({
    total: expect.any(Number),
    items: [{ deletedAt: expect.any(String) }],
  });
});
