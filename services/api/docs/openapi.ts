import type { ActionSchema } from "moleculer";
import type { Access } from "../../../lib/contract/caller.ts";
import type { Actions } from "../../../lib/contract/contracts.ts";
import { VERSION } from "../../../lib/contract/events.ts";
import { type JsonSchema, type Rule, toJsonSchema, toObjectSchema } from "../../../lib/contract/fields.ts";
import { BASE_PATH, ROUTES } from "../api.routes.ts";
import type { Binding } from "../gateway.types.ts";
import { ANSWERS } from "./answers.ts";
import { HEALTH_PATHS } from "./health-paths.ts";
import { OPERATIONS, type Operation } from "./operations.ts";
import { errorsOf, refusals } from "./refusals.ts";

/** The API as OpenAPI 3.1: from the route table, and from the actions as the cluster runs them. */

type ActionOf = (name: keyof Actions) => Pick<ActionSchema, "access" | "params">;
type Route = Binding & { method: string; url: string; access: Access; rules: Record<string, Rule> };

const DESCRIPTION = `Profiles, avatars, statistics, quotas and preferences.

Send \`Authorization: Bearer <Keycloak token>\`; services of ours send \`x-internal-token\` instead. Try it here: *Authorize*, then *Execute*.

Every error has one form, \`Error\`. The events of the service are in [asyncapi.json](asyncapi.json).`;

const SECURITY: Record<Access, object[]> = {
  anyone: [],
  owner: [{ bearer: [] }, { internal: [] }],
  "keycloak-owner": [{ bearer: [] }, { internal: [] }],
  admin: [{ bearer: [] }, { internal: [] }],
  internal: [{ internal: [] }],
};

const WHO: Record<Access, string> = {
  anyone: "Anyone may.",
  owner: "The owner, admins and internal services may.",
  "keycloak-owner": "The owner, admins and internal services may.",
  admin: "Admins and internal services may.",
  internal: "Internal services may.",
};

export function openApi(actionOf: ActionOf): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [route, bound] of Object.entries(ROUTES)) {
    const [method = "", url = ""] = route.split(" ");
    const binding = typeof bound === "string" ? { action: bound } : bound;
    const { access = "internal", params } = actionOf(binding.action);
    const { $$strict: _, ...rules } = params as Record<string, Rule>;
    const path = BASE_PATH + url.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = {
      ...paths[path],
      [method.toLowerCase()]: describe({ ...binding, method, url, access, rules }),
    };
  }
  return {
    openapi: "3.1.1",
    info: { title: "User Service", version: VERSION, description: DESCRIPTION },
    servers: [{ url: "/" }],
    tags: ["users", "stats", "avatars", "node"].map((name) => ({ name })),
    paths: { ...paths, ...HEALTH_PATHS },
    components: {
      schemas: ANSWERS,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
        internal: { type: "apiKey", in: "header", name: "x-internal-token" },
      },
    },
  };
}

function describe(route: Route): object {
  const { action, method, url, access, forUser } = route;
  const operation: Operation = OPERATIONS[action];
  return {
    tags: action.split(".", 1),
    operationId: [method.toLowerCase(), ...(url.match(/\w+/g) ?? [])].join("-"),
    summary: forUser ? "The user whom the token speaks for" : operation.summary,
    description: forUser ? "Any signed-in user may." : WHO[access],
    security: forUser ? [{ bearer: [] }] : SECURITY[access],
    ...request(route, operation.params as Record<string, unknown>),
    responses: { ...success(route, operation), ...errorsOf(refusals(route, operation), BASE_PATH + url) },
  };
}

/** Each param from its one place: the path, the query of a GET, the body. */
function request(
  { method, url, rules, query, streamsBody }: Route,
  example: Record<string, unknown>,
): object {
  const inPath = (url.match(/:\w+/g) ?? []).map((name) => name.slice(1));
  const rest = Object.keys(rules).filter((name) => !inPath.includes(name));
  const inQuery = method === "GET" ? (query ?? rest) : [];
  const parameter = (place: "path" | "query") => (name: string) => ({
    name,
    in: place,
    required: place === "path",
    schema: rules[name] ? toJsonSchema(rules[name]) : { type: "string" },
    ...(name in example && { example: example[name] }),
  });
  const parameters = [...inPath.map(parameter("path")), ...inQuery.map(parameter("query"))];
  const pick = <Value>(from: Record<string, Value>) =>
    Object.fromEntries(Object.entries(from).filter(([name]) => rest.includes(name)));
  const hasBody = method !== "GET" && rest.length > 0;
  return {
    ...(parameters.length > 0 && { parameters }),
    ...(hasBody && { requestBody: jsonBody(toObjectSchema(pick(rules)), pick(example)) }),
    ...(streamsBody && { requestBody: FILE }),
  };
}

const jsonBody = (schema: JsonSchema, example: object) => ({
  required: "required" in schema,
  content: { "application/json": { schema, example } },
});

const FILE = {
  required: true,
  content: {
    "multipart/form-data": {
      schema: {
        type: "object",
        properties: { file: { type: "string", format: "binary" } },
        required: ["file"],
        additionalProperties: false,
      },
      encoding: { file: { contentType: "image/jpeg, image/png" } },
    },
  },
};

const IMAGE = {
  200: {
    description: "The picture: WebP where the client takes it",
    headers: {
      ETag: { schema: { type: "string" } },
      "Cache-Control": { description: "Immutable under the current `v`", schema: { type: "string" } },
    },
    content: { "image/webp": {}, "image/jpeg": {}, "image/png": {} },
  },
  304: { description: "The picture that `If-None-Match` names is still the current one" },
};

function success({ status }: Route, operation: Operation): object {
  if (operation.answer === "image") return IMAGE;
  const schema = { $ref: `#/components/schemas/${operation.answer}` };
  return {
    [status ?? 200]: {
      description: operation.answer,
      ...(status === 201 && { headers: { Location: { required: true, schema: { type: "string" } } } }),
      content: { "application/json": { schema, example: operation.result } },
    },
  };
}
