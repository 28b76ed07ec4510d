import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Validator } from "@seriousme/openapi-schema-validator";
import { BASE_PATH, ROUTES } from "../../services/api/api.routes.ts";
import { ADA } from "../../services/users/users.contract.ts";
import { FORM, formOf, uploadOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { type Document, type Operation, schemasOf } from "../helpers/openapi.ts";
import { type Asked, request } from "../helpers/request.ts";
import { startService, type TestService } from "../helpers/service.ts";

let service: TestService;
let document: Document;
let faultsOf: ReturnType<typeof schemasOf>;
beforeAll(async () => {
  service = await startService({ env: { PUBLIC_URL: "http://localhost:3003" } });
  document = (await service.http.get("/openapi.json").expect(200)).body;
  faultsOf = schemasOf(document);
});
afterAll(() => service.stop());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );

test("is a valid OpenAPI document", async () => {
  expect(await new Validator().validate(structuredClone(document))).toEqual({ valid: true });
});

test("has every route of the gateway, except those of the documents", async () => {
  const { HEALTH_ROUTES } = await import("../../lib/http/health.routes.ts");
  const routes = Object.keys(ROUTES).map((route) => route.replace(" ", ` ${BASE_PATH}`));
  const expected = [...routes, ...Object.keys(HEALTH_ROUTES)].map((route) =>
    route.replaceAll(/:(\w+)/g, "{$1}"),
  );
  const found = operations().map(({ method, path }) => `${method} ${path}`);
  expect(found.sort()).toEqual(expected.sort());
});

type Shown = { reservationId?: string; erasureId?: string };

describe("an example", () => {
  /** Ada's own id in this run. */
  let id: string;
  const signUp = async () => {
    const path = `${BASE_PATH}/users`;
    const body = document.paths[path]?.post?.requestBody?.content["application/json"]?.example as object;
    id = (await request(service.url, { method: "POST", path, body, headers: service.internal })).body.id;
  };

  /** For the examples that show it or delete it. */
  const uploadPicture = async () => {
    const upload = uploadOf(id, await jpeg());
    await request(service.url, { ...upload, headers: { ...upload.headers, ...service.internal } });
  };

  /** For the examples that end it: the example's reservation. */
  const reserve = async ({ parameters = [] }: Operation) => {
    const reservation = parameters.find(({ name }) => name === "reservationId")?.example;
    await service.database.sql(
      `INSERT INTO quota_reservations (id, user_id, resource, amount, expires_at)
       VALUES ($1, $2, 'interviews', 1, now() + interval '1 hour')
       ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, state = 'open'`,
      [reservation, id],
    );
  };

  /** For the examples that show or end an erasure, or end a hold. */
  const needed = async (method: string, rest: string) => {
    const headers = await service.admin();
    const path = `${BASE_PATH}/users/${id}${rest}`;
    await request(service.url, { method, path, headers, body: { reason: "court case" } });
  };

  /** Replaces values that differ in each run by those of the examples. */
  const asInTheExample = (body: unknown, example: unknown) => {
    const version = /v=\w+/.exec(JSON.stringify(example))?.[0] ?? "";
    const text = JSON.stringify(body)
      .replaceAll(id, ADA.id)
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, ADA.createdAt)
      .replaceAll(/v=\w+/g, version)
      .replaceAll(
        /"(reservationId|erasureId)":"[^"]+"/g,
        (_, name: keyof Shown) => `"${name}":"${(example as Shown)[name]}"`,
      )
      .replaceAll(/"(eventId|traceId)":"[^"]+"/g, (_, name) => {
        const [entry] = (example as { items?: Record<string, string>[] }).items ?? [];
        return `"${name}":"${entry?.[name]}"`;
      });
    return JSON.parse(text);
  };

  const ask = async (method: string, path: string, { parameters = [], requestBody, security }: Operation) => {
    const scheme = security.find((scheme) => "internal" in scheme) ?? security[0] ?? {};
    const headers = {
      ...("internal" in scheme && service.internal),
      ...("bearer" in scheme && (await service.user(ADA.keycloakId, { roles: ["admin"] }))),
    };
    const fields = parameters.filter(({ example }) => example !== undefined);
    const query = new URLSearchParams(
      fields
        .filter((field) => field.in === "query")
        .map(({ name, example }): [string, string] => [name, String(example)]),
    );
    const url = fields.reduce(
      (whole, { name, example }) => whole.replace(`{${name}}`, String(example)),
      path,
    );
    const form = requestBody && "multipart/form-data" in requestBody.content;
    const asked: Asked = {
      method,
      path: `${url.replace(ADA.id, id)}?${query}`.replace(/\?$/, ""),
      headers: { ...headers, ...(form && FORM) },
      body: form
        ? formOf({ filename: "ada.png", content: await jpeg({ left: "#00ff00" }) })
        : (requestBody?.content["application/json"]?.example as object | undefined),
    };
    return request(service.url, asked);
  };

  test("of every operation gets the documented answer, which matches its schema", async () => {
    for (const { path, method, operation } of operations()) {
      const [status = "", { content = {} } = {}] = Object.entries(operation.responses)[0] ?? [];
      await service.database.sql("TRUNCATE users, user_history, erasures, legal_holds");
      if (operation.operationId !== "createUser") await signUp();
      if (path.endsWith("/avatar")) await uploadPicture();
      if (path.includes("{reservationId}")) await reserve(operation);
      if (path.endsWith("/erasure") && method !== "POST") await needed("POST", "/erasure");
      if (path.endsWith("/hold") && method !== "PUT") await needed("PUT", "/hold");
      const answer = await ask(method, path, operation);
      const route = `${method} ${path}`;
      expect([route, answer.status]).toEqual([route, Number(status)]);
      const [type = ""] = String(answer.headers["content-type"]).split(";");
      expect([route, Object.keys(content)]).toEqual([route, expect.arrayContaining([type])]);
      const { schema, example } = content[type] ?? {};
      if (schema) expect([route, faultsOf(schema, answer.body)]).toEqual([route, []]);
      if (operation.operationId === "createUser") id = answer.body.id;
      if (example) expect([route, asInTheExample(answer.body, example)]).toEqual([route, example]);
    }
  }, 60_000);

  test("of every error matches the one schema of errors", () => {
    for (const { operation } of operations())
      for (const { content } of Object.values(operation.responses))
        for (const { value } of Object.values(content?.["application/json"]?.examples ?? {}))
          expect(faultsOf({ $ref: "#/components/schemas/Error" }, value)).toEqual([]);
  });

  test("of every error has its code among those of the header x-error-code of its response", () => {
    for (const { operation } of operations())
      for (const [status, { content, headers }] of Object.entries(operation.responses)) {
        const codes = Object.keys(headers?.["x-error-code"]?.examples ?? {});
        const examples = content?.["application/json"]?.examples ?? {};
        expect([status, Object.keys(examples)]).toEqual([status, codes]);
        if (Number(status) >= 400 && operation.operationId !== "getHealth")
          expect([operation.operationId, status, codes.length > 0]).toEqual([
            operation.operationId,
            status,
            true,
          ]);
      }
  });
});

describe("generated clients", () => {
  const schemasIn = (part: unknown): Record<string, unknown>[] =>
    part !== null && typeof part === "object"
      ? [part as Record<string, unknown>, ...Object.values(part).flatMap(schemasIn)]
      : [];

  test("have a function for each operation, named by its action", () => {
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(ids).toEqual(ids.map(() => expect.stringMatching(/^[a-z]+([A-Z][a-z]+)+$/)));
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("have a 64-bit integer if the value can be larger than 32 bits", () => {
    const large = schemasIn(document).filter(({ maximum }) => Number(maximum) > 2 ** 31 - 1);
    expect(large.length).toBeGreaterThan(0);
    for (const { type, format } of large) expect([[type].flat()[0], format]).toEqual(["integer", "int64"]);
  });

  test("have bytes, not text, for files and images", () => {
    const { post, get } = document.paths[`${BASE_PATH}/users/{id}/avatar`] ?? {};
    expect(post?.requestBody?.content["multipart/form-data"]?.schema).toMatchObject({
      properties: { file: { type: "string", format: "binary" } },
    });
    const image = { schema: { type: "string", format: "binary" } };
    expect(get?.responses[200]?.content).toEqual({
      "image/webp": image,
      "image/jpeg": image,
      "image/png": image,
    });
  });
});
