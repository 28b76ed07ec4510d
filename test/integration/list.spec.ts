import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { User, UserPage } from "../../services/users/users.contract.ts";
import { errorBody, fieldsOf } from "../helpers/errors.ts";
import { createUser, type Person } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";

let service: TestService;
let admin: { authorization: string };
beforeAll(async () => {
  service = await startService();
  admin = await service.admin();
});
afterAll(() => service.stop());

type Query = Record<string, string | number>;
const ask = (query: Query | string = {}) => service.http.get("/api/v1/users").query(query).set(admin);
const list = async (query: Query = {}): Promise<UserPage> => (await ask(query).expect(200)).body;
const idsOf = ({ items }: UserPage) => items.map(({ id }) => id);

/** Reads every page from the first to the last, and calls `meanwhile` between pages. */
async function walk(query: Query, meanwhile = async () => {}): Promise<User[]> {
  const users: User[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: UserPage = await list(cursor ? { ...query, cursor } : query);
    users.push(...page.items);
    cursor = page.nextCursor;
    await meanwhile();
  }
  return users;
}

describe("pages", () => {
  const EVERYBODY = "Everybody Ltd";
  const ROWS = 230;
  /** The SQL expression of each sort. */
  const COMPARED = {
    createdAt: "created_at",
    updatedAt: "updated_at",
    email: "email_key(email)",
    fullName: "lower(full_name)",
  };

  // names and times repeat, so that pages end between equal values
  beforeAll(() =>
    service.database.sql(
      `INSERT INTO users (keycloak_id, email, full_name, company_name, created_at, updated_at)
       SELECT 'k' || i, CASE WHEN i % 2 = 0 THEN 'U' ELSE 'u' END || md5(i::text) || '@x.org',
         (ARRAY['Zoë', 'zoe', 'Émile', '_ %', 'O''Neil', '🙂 🙂', 'B\\ack'])[i % 7 + 1], $1,
         timestamptz '2020-01-01' + i / 50 * interval '1 ms', timestamptz '2021-01-01' + i % 3 * interval '1 day'
       FROM generate_series(1, ${ROWS}) AS i`,
      [EVERYBODY],
    ),
  );

  const directions = Object.keys(COMPARED).flatMap((field) => [field, `-${field}`]);
  test.each(directions)(
    "sorted by %s contain every row once and in order, for each page size",
    async (sort) => {
      const compared = COMPARED[sort.replace("-", "") as keyof typeof COMPARED];
      const direction = sort.startsWith("-") ? "DESC" : "ASC";
      const rows = await service.database.sql<{ id: string }>(
        `SELECT id FROM users WHERE company_name = $1 ORDER BY ${compared} ${direction}, id ${direction}`,
        [EVERYBODY],
      );
      const expected = rows.map(({ id }) => id);
      for (const limit of [37, 100])
        expect((await walk({ sort, limit, companyName: EVERYBODY })).map(({ id }) => id)).toEqual(expected);
    },
  );

  test("a page that ends at the last row has no cursor", async () => {
    expect((await list({ companyName: EVERYBODY, limit: 46 })).nextCursor).toEqual(expect.any(String));
    const users = await walk({ companyName: EVERYBODY, limit: 46 }); // exactly 5 full pages
    expect(users).toHaveLength(ROWS);
    const [{ id = "" } = {}] = users;
    const only = await list({ companyName: EVERYBODY, search: users[0]?.email ?? "" });
    expect([idsOf(only), only.nextCursor]).toEqual([[id], null]);
  });

  test("rows that are added or removed between two pages neither repeat nor hide others", async () => {
    const companyName = "Coming And Going";
    const people: Person[] = [];
    for (let i = 0; i < 9; i++) people.push(await createUser(service, { profile: { companyName } }));
    const [leaving] = people;
    let turn = 0;
    const users = await walk({ sort: "-createdAt", limit: 2, companyName }, async () => {
      if (turn++ > 0) return;
      await createUser(service, { profile: { companyName } });
      await service.http.delete(`/api/v1/users/${leaving?.id}`).set(admin).expect(200);
    });
    const stayed = people.slice(1).map(({ id }) => id);
    expect(users.map(({ id }) => id)).toEqual(stayed.reverse());
  });

  test("contain 20 users, newest first, if the query is empty", async () => {
    const page = await list();
    expect(page.items).toHaveLength(20);
    expect(page).toEqual(await list({ limit: 20, sort: "-createdAt" }));
    const { body } = await service.http.get(`/api/v1/users/${page.items[0]?.id}`).set(admin).expect(200);
    expect(page.items[0]).toStrictEqual(body);
  });

  test.each([0, -1, 101, 1.5, "abc", "", "1 or 1=1", "Infinity"])("limit %j is 400", async (limit) => {
    const { body } = await ask({ limit }).expect(400);
    expect(body).toEqual(errorBody(400, "Validation failed", "/api/v1/users", ["limit"]));
  });
  test.each([1, 100])("limit %d is accepted", async (limit) => {
    expect((await list({ limit })).items).toHaveLength(limit);
  });
});

describe("filters", () => {
  test.each<[string, (person: Person) => Query]>([
    ["email, in any letter case", ({ email }) => ({ email: email.toUpperCase() })],
    ["keycloakId", ({ keycloakId }) => ({ keycloakId })],
    ["companyName", ({ profile }) => ({ companyName: profile.companyName ?? "" })],
    ["two filters", ({ keycloakId, email }) => ({ keycloakId, email })],
  ])("%s finds exactly the matching user, and nobody if the value does not match", async (_, queryOf) => {
    const person = await createUser(service, { profile: { companyName: `Co ${crypto.randomUUID()}` } });
    const query = queryOf(person);
    expect(idsOf(await list(query))).toEqual([person.id]);
    const [[field = "", value = ""] = []] = Object.entries(query);
    expect((await list({ ...query, [field]: `x${value}` })).items).toEqual([]);
  });

  test("createdFrom and createdTo are inclusive, accept an offset, and treat a date as its midnight", async () => {
    const companyName = "Of Their Time";
    const days = ["2019-05-01T00:00:00.000Z", "2019-05-01T12:00:00.000Z", "2019-05-02T00:00:00.000Z"];
    for (const day of days) {
      const { id } = await createUser(service, { profile: { companyName } });
      await service.database.sql("UPDATE users SET created_at = $2 WHERE id = $1", [id, day]);
    }
    const found = async (query: Query) =>
      (await list({ companyName, sort: "createdAt", ...query })).items.map(({ createdAt }) => createdAt);
    expect(await found({ createdFrom: days[1] as string })).toEqual(days.slice(1));
    expect(await found({ createdFrom: "2019-05-01T12:00:00.001Z" })).toEqual(days.slice(2));
    expect(await found({ createdTo: "2019-05-01T14:00:00+02:00" })).toEqual(days.slice(0, 2));
    expect(await found({ createdFrom: "2019-05-01", createdTo: "2019-05-02" })).toEqual(days);
    expect(await found({ createdFrom: "2019-05-03" })).toEqual([]);
  });

  test.each(["yesterday", "2019-13-01", "2019-05-01T25:00:00Z", "0", "now()", "1e400"])(
    "createdFrom %j is 400",
    async (createdFrom) => {
      expect(fieldsOf((await ask({ createdFrom }).expect(400)).body)).toEqual(["createdFrom"]);
    },
  );

  test.each(["0000-01-01", "0001-01-01", "9999-12-31"])("createdTo %j is accepted", async (createdTo) => {
    expect([200, 400]).toContain((await ask({ createdTo })).status);
  });
});

describe("search", () => {
  const company = `Search ${crypto.randomUUID()}`;
  const names = ["100% Cotton", "100 Cotton", "snake_case", "snakeXcase", "back\\slash", "Ärger", "O'Hara"];
  const found = async (search: string) =>
    (await list({ search, companyName: company })).items.map(({ profile }) => profile.fullName).sort();
  beforeAll(async () => {
    for (const fullName of names) await createUser(service, { profile: { fullName, companyName: company } });
  });

  test.each([
    ["100%", ["100% Cotton"]],
    ["%", ["100% Cotton"]],
    ["_", ["snake_case"]],
    ["e_C", ["snake_case"]],
    ["\\", ["back\\slash"]],
    ["k\\S", ["back\\slash"]],
    ["\\%", []],
    ["COTTON", ["100 Cotton", "100% Cotton"]],
    ["ÄRG", ["Ärger"]],
    ["o'h", ["O'Hara"]],
    ["' OR 1=1 --", []],
    ["$1 :replacement ?", []],
  ])("for %j finds texts that contain it, in any letter case", async (search, expected) => {
    expect(await found(search)).toEqual(expected);
  });

  test("searches full name, e-mail and company, and has pages like a list", async () => {
    const word = `w${crypto.randomUUID()}`;
    const inName = await createUser(service, { profile: { fullName: `A ${word} B` } });
    const inEmail = await createUser(service, { email: `${word}@example.com` });
    const inCompany = await createUser(service, { profile: { companyName: `${word} Ltd` } });
    await createUser(service, { profile: { bio: word } });
    const users = await walk({ search: word.toUpperCase(), sort: "createdAt", limit: 1 });
    expect(users.map(({ id }) => id)).toEqual([inName.id, inEmail.id, inCompany.id]);
  });
});

test("a cursor that a client made itself does not bypass the filters", async () => {
  const companyName = "Only These";
  const { id } = await createUser(service, { profile: { companyName } });
  await createUser(service, { profile: { companyName: "Not These" } });
  const content = ["-createdAt", "9999-01-01T00:00:00.000Z", crypto.randomUUID()];
  const cursor = Buffer.from(JSON.stringify(content)).toString("base64url");
  expect(idsOf(await list({ companyName, sort: "-createdAt", cursor }))).toEqual([id]);
});

test("quotes and backslashes in the value of a cursor are not interpreted as SQL", async () => {
  for (const value of ["'", "\\'", "'); DROP TABLE users; --", "\\", "$1", ":a", "?"]) {
    const content = ["fullName", value, crypto.randomUUID()];
    await list({ sort: "fullName", cursor: Buffer.from(JSON.stringify(content)).toString("base64url") });
  }
});

describe("400", () => {
  const encode = (content: unknown) => Buffer.from(JSON.stringify(content)).toString("base64url");
  const cursorOf = async (sort: string) => (await list({ sort, limit: 1 })).nextCursor ?? "";

  test.each<[string, (cursor: string) => string]>([
    ["text", () => "nonsense"],
    ["an empty text", () => ""],
    ["a text of 3000", () => "c".repeat(3000)],
    ["a cut-off cursor", (cursor) => cursor.slice(0, -1)],
    ["a cursor with extra characters", (cursor) => `${cursor}.x`],
    ["a cursor whose position was changed", (cursor) => `x${cursor.slice(1)}`],
    ["a signed cursor of an older version", (cursor) => `${cursor}.${"A".repeat(43)}`],
    ["a cursor of an older version with letters of two bytes", (cursor) => `${cursor}.${"é".repeat(43)}`],
    ["JSON with SQL in it", () => encode(["-createdAt", "2020-01-01T00:00:00.000Z", "x') OR ('1'='1"])],
    ["a time that PostgreSQL cannot read", () => encode(["-createdAt", "infinity", crypto.randomUUID()])],
    ["self-made JSON", () => encode(["-createdAt", "2020-01-01", "x"])],
  ])("for a cursor that is %s", async (_, forge) => {
    const { body } = await ask({ sort: "-createdAt", cursor: forge(await cursorOf("-createdAt")) });
    expect(body).toEqual(errorBody(400, "Validation failed", "/api/v1/users", ["cursor"]));
  });

  test.each(["createdAt", "-updatedAt", "email"])(
    "for a cursor of -createdAt in a list by %s",
    async (sort) => {
      const { body } = await ask({ sort, cursor: await cursorOf("-createdAt") }).expect(400);
      expect(fieldsOf(body)).toEqual(["cursor"]);
    },
  );

  test.each([
    ["page=2", "page"],
    ["id=1", "id"],
    ["query=%7B%22deletedAt%22%3Anull%7D", "query"],
    ["fields=email", "fields"],
    ["__proto__=1", "__proto__"],
    ["constructor=1", "constructor"],
    ["deletedAt=", "deletedAt"],
    ["limit=1&limit=2", "limit"],
    ["search=a&search=b", "search"],
    ["search[]=a", "search[]"],
    ["sort=phone", "sort"],
    ["sort=--email", "sort"],
    ["sort=email%3B+DROP+TABLE+users", "sort"],
    ["email=nonsense", "email"],
    ["search=%00", "search"],
  ])("for ?%s", async (query, field) => {
    const { body } = await ask(query).expect(400);
    expect(body).toEqual(errorBody(400, "Validation failed", "/api/v1/users", [field]));
  });
});
