import type { ActionContract } from "../../../lib/contract/action.ts";
import type { Access } from "../../../lib/contract/caller.ts";
import type { Fields } from "../../../lib/contract/fields.ts";
import { type JsonSchema, toJsonSchema, toObjectSchema } from "../../../lib/contract/json-schema.ts";
import { REST_ACTIONS } from "../../contracts.ts";
import { BASE_PATH, bindingOf, ME } from "../api.routes.ts";
import { HEALTH_PATHS } from "./health-paths.ts";
import { INFO, TAGS } from "./info.ts";
import { errorsOf, refusals } from "./refusals.ts";
import { refer, SCHEMAS } from "./schemas.ts";

/** The API as OpenAPI 3.1, generated from the contracts of the actions. */

const DESCRIPTION = `Profiles, avatars, statistics, quotas and preferences.

Send \`Authorization: Bearer <Keycloak access token>\`; services of ours send \`x-internal-token\` instead. To try it here, choose *Authorize*, then *Execute*.

Every error has the same form, \`Error\`. The events of the service are described in [asyncapi.json](asyncapi.json).`;

const BEARER = { bearer: [] };
const INTERNAL = { internal: [] };
const ACCESS: Record<Access, { who: string; security: object[] }> = {
  anyone: { who: "Open to anyone.", security: [] },
  owner: { who: "For the owner, admins and internal services.", security: [BEARER, INTERNAL] },
  "keycloak-owner": { who: "For the owner, admins and internal services.", security: [BEARER, INTERNAL] },
  admin: { who: "For admins and internal services.", security: [BEARER, INTERNAL] },
  internal: { who: "For internal services.", security: [INTERNAL] },
};
const SIGNED_IN = { who: "For any signed-in user.", security: [BEARER] };

type Route = { name: string; contract: ActionContract; method: string; path: string };

const ROUTES: Route[] = REST_ACTIONS.map(([name, contract]) => {
  const [method = "", path = ""] = (contract.rest ?? "").split(" ");
  return { name, contract, method, path };
});

export function openApi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of ROUTES) {
    const path = BASE_PATH + route.path.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describe(route) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "User Service",
      description: DESCRIPTION,
      ...INFO,
    },
    servers: [{ url: "/" }],
    tags: TAGS,
    paths: { ...paths, [`${BASE_PATH}${ME.path}`]: { get: describeMe() }, ...HEALTH_PATHS },
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
        internal: { type: "apiKey", in: "header", name: "x-internal-token" },
      },
    },
  };
}

function describe(route: Route, { who, security } = ACCESS[route.contract.access]): object {
  const { name, contract, path } = route;
  return {
    tags: name.split(".", 1),
    operationId: contract.operationId,
    summary: contract.summary,
    description: who,
    security,
    ...request(route),
    responses: { ...success(contract), ...errorsOf(refusals(contract), BASE_PATH + path) },
  };
}

/** `GET /users/me` is another route of the action that finds a user by the id in Keycloak. */
function describeMe(): object {
  const [, contract] = REST_ACTIONS.find(([name]) => name === ME.action) as [string, ActionContract];
  const me = { ...contract, operationId: "getMe", summary: "Get the signed-in user", params: {} };
  return describe({ name: ME.action, contract: me, method: "GET", path: ME.path }, SIGNED_IN);
}

/** Each param from its one place: the path, the query of a GET, the body. */
function request({ name, contract, method, path }: Route): object {
  const { params } = contract;
  const example: Record<string, unknown> = contract.example?.params ?? {};
  const inPath = (path.match(/:\w+/g) ?? []).map((param) => param.slice(1));
  const rest = Object.keys(params).filter((param) => param !== "ifVersion" && !inPath.includes(param));
  const { query = rest, streamsBody } = bindingOf(name);
  const parameter = (place: "path" | "query") => (param: string) => ({
    name: param,
    in: place,
    required: place === "path",
    schema: params[param] ? toJsonSchema(params[param]) : { type: "string" },
    ...(param in example && { example: example[param] }),
  });
  const inQuery = method === "GET" ? query : [];
  const parameters = [
    ...inPath.map(parameter("path")),
    ...inQuery.map(parameter("query")),
    ...(contract.idempotent ? [IDEMPOTENCY_KEY] : []),
    ...("ifVersion" in params ? [IF_MATCH] : []),
    ...(isCacheable(contract) ? [IF_NONE_MATCH] : []),
  ];
  const pick = <Value>(from: Record<string, Value>) =>
    Object.fromEntries(Object.entries(from).filter(([param]) => rest.includes(param)));
  const hasBody = method !== "GET" && rest.length > 0;
  return {
    ...(parameters.length > 0 && { parameters }),
    ...(hasBody && { requestBody: jsonBody(pick(params), pick(example)) }),
    ...(streamsBody && { requestBody: FILE }),
  };
}

const IDEMPOTENCY_KEY = {
  name: "Idempotency-Key",
  in: "header",
  description: "A repeat with the same key within 24 hours gets the same answer and has no second effect",
  schema: { type: "string", pattern: "^[!-~]{1,255}$" },
};

const IF_MATCH = {
  name: "If-Match",
  in: "header",
  description: "Changes nothing unless the user still has the version of this `ETag`; `*` means any",
  schema: { type: "string", pattern: '^(\\*|"(0|[1-9][0-9]{0,14})")$' },
};

const IF_NONE_MATCH = {
  name: "If-None-Match",
  in: "header",
  description: "The `ETag` that the caller has: the answer is 304 if it is still the current one",
  schema: { type: "string" },
};

const ETAG = {
  ETag: { description: "The version of the user", required: true, schema: { type: "string" } },
};

const NOT_MODIFIED = {
  304: { description: "The `ETag` that `If-None-Match` names is still the current one", headers: ETAG },
};

const isCacheable = ({ rest, result }: ActionContract) =>
  result.versioned !== undefined && rest?.startsWith("GET ") === true;

const IDEMPOTENCY_REPLAYED = {
  "Idempotency-Replayed": {
    description: "The answer is the stored one of an earlier request with the same `Idempotency-Key`",
    schema: { type: "string", enum: ["true"] },
  },
};

function jsonBody(fields: Fields, example: object) {
  const schema = toObjectSchema(fields);
  return { required: "required" in schema, content: { "application/json": { schema, example } } };
}

/** Without `format`, generated clients take the bytes for text. */
const BINARY: JsonSchema = { type: "string", format: "binary" };

const FILE = {
  required: true,
  content: {
    "multipart/form-data": {
      schema: {
        type: "object",
        properties: { file: { ...BINARY, description: "A JPEG or PNG image of at most 5 MB" } },
        required: ["file"],
        additionalProperties: false,
      },
    },
  },
};

const IMAGE = {
  200: {
    description: "The image; WebP if the client accepts it",
    headers: {
      ETag: { schema: { type: "string" } },
      "Cache-Control": { description: "Immutable under the current `v`", schema: { type: "string" } },
    },
    content: Object.fromEntries(
      ["image/webp", "image/jpeg", "image/png"].map((type) => [type, { schema: BINARY }]),
    ),
  },
  304: { description: "The image that `If-None-Match` names is still the current one" },
};

function success(contract: ActionContract): object {
  if (contract.result.type === "image") return IMAGE;
  if (contract.status !== "200 or 201")
    return {
      ...successWith(contract.status ?? 200, contract),
      ...(isCacheable(contract) && NOT_MODIFIED),
    };
  return { ...successWith(200, contract), ...successWith(201, contract) };
}

function successWith(status: 200 | 201, { idempotent, result, example }: ActionContract): object {
  const headers = {
    ...(status === 201 && { Location: { required: true, schema: { type: "string" } } }),
    ...(result.versioned !== undefined && ETAG),
    ...(idempotent && IDEMPOTENCY_REPLAYED),
  };
  return {
    [status]: {
      description: String(result.schemaName),
      ...(Object.keys(headers).length > 0 && { headers }),
      content: { "application/json": { schema: toJsonSchema(result, refer), example: example?.result } },
    },
  };
}
