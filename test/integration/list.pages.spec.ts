import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startService, type TestService } from "../helpers/service.ts";

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

test("a page of the longest profiles is smaller than a Kafka message, and the next page continues after it", async () => {
  // 4 bytes for each of 2,000 code points: 100 of these users exceed a message
  await service.database.sql(
    "INSERT INTO users (keycloak_id, email, full_name, company_name, bio) SELECT 'm' || n, 'm' || n || '@example.com', repeat('\u{1f600}', 100), repeat('\u{1f600}', 100), repeat('\u{1f600}', 2000) FROM generate_series(1, 100) AS n",
  );
  const seen = new Set<string>();
  let cursor = "";
  do {
    const { body, text } = await service.http
      .get(`/api/v1/users?limit=100${cursor && `&cursor=${cursor}`}`)
      .set(service.internal)
      .expect(200);
    expect(Buffer.byteLength(text)).toBeLessThan(1_000_000);
    for (const { id } of body.items) seen.add(id);
    cursor = body.nextCursor ?? "";
  } while (cursor);
  const [{ count } = { count: 0 }] = await service.database.sql("SELECT count(*)::int AS count FROM users");
  expect(seen.size).toBe(count);
});
