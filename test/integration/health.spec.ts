import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startService, type TestService } from "../helpers/service.ts";

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

test("GET /health reports the database and Kafka", async () => {
  const { body } = await service.http.get("/health").expect(200);
  expect(body).toEqual({
    status: "ok",
    timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
    database: { status: "connected", connections: expect.any(Number) },
    kafka: { status: "embedded", broker: null },
  });
});

test("GET /health/live and /health/ready answer 200 on PORT and on METRICS_PORT", async () => {
  for (const url of [service.url, service.nodeUrl])
    for (const path of ["/health/live", "/health/ready"]) {
      const answer = await fetch(url + path);
      expect([url + path, answer.status]).toEqual([url + path, 200]);
    }
});

test("GET /metrics returns the metrics of contract 6 as Prometheus text, on PORT and on METRICS_PORT", async () => {
  for (const url of [service.url, service.nodeUrl]) {
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const name of [
      "user_service_users_total counter",
      "user_service_profiles_updated_total counter",
      "user_service_avatars_uploaded_total counter",
      "user_service_storage_used_bytes gauge",
      "user_service_database_query_duration_seconds histogram",
      "user_service_kafka_events_published_total counter",
    ])
      expect(text).toContain(`# TYPE ${name}`);
  }
});
