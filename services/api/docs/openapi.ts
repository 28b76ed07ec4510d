import type { ActionContract } from "../../../lib/contract/action.ts";
import type { Fields } from "../../../lib/contract/fields.ts";
import { type JsonSchema, toJsonSchema, toObjectSchema } from "../../../lib/contract/json-schema.ts";
import { BASE_PATH, bindingOf } from "../api.routes.ts";
import { HEALTH_PATHS } from "./health-paths.ts";
import { INFO, TAGS } from "./info.ts";
import { OPERATIONS, type Operation } from "./operations.ts";
import { errorsOf, refusals } from "./refusals.ts";
import { refer, SCHEMAS } from "./schemas.ts";

/** The API as OpenAPI 3.1, generated from the contracts of the actions. */

const DESCRIPTION = `Profiles, avatars, statistics, quotas and preferences.

Send \`Authorization: Bearer <Keycloak access token>\`; internal services send \`x-internal-token\` instead. To try it here, choose *Authorize*, then *Execute*.

Every error has the same form, \`Error\`, or with \`Accept: application/problem+json\` that of RFC 9457: \`type\`, \`title\`, \`status\`, \`detail\`, \`instance\`, \`code\`, \`traceId\` and \`errors\`. Its header \`x-error-code\` has one of the codes of its response here; besides, any request can be refused with \`REQUEST_REFUSED\`, \`ROUTE_NOT_FOUND\` or \`METHOD_NOT_ALLOWED\`. The events of the service are described in [asyncapi.json](asyncapi.json).`;

export function openApi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    const path = BASE_PATH + operation.path.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describe(operation) };
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
    paths: { ...paths, ...HEALTH_PATHS },
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
        internal: { type: "apiKey", in: "header", name: "x-internal-token" },
      },
    },
  };
}

function describe(operation: Operation): object {
  const { name, contract, path, who, security } = operation;
  return {
    tags: name.split(".", 1),
    operationId: contract.operationId,
    summary: contract.summary,
    description: who,
    security,
    ...request(operation),
    responses: { ...success(contract), ...errorsOf(refusals(contract), BASE_PATH + path) },
  };
}

/** Each param from its one place: the path, the query of a GET, the body. */
function request({ name, contract, method, path }: Operation): object {
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
  schema: { type: "string", pattern: '^(\\*|"(0|[1-9][0-9]{0,14})(\\.[0-9]+\\.[0-9]+)?")$' },
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

/** Without `format`, generated clients treat the bytes as text. */
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

function successWith(status: 200 | 201 | 202, { idempotent, result, example }: ActionContract): object {
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
