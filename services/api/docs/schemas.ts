import { withParts } from "../../../lib/contract/compound.ts";
import {
  anyText,
  count,
  described,
  type Field,
  integer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  time,
} from "../../../lib/contract/fields.ts";
import { type JsonSchema, toJsonSchema } from "../../../lib/contract/json-schema.ts";
import { REST_ACTIONS } from "../../contracts.ts";

/** The named schemas of the OpenAPI document: the results of the actions, and those of no action. */

const error = {
  statusCode: integer(400, 599),
  message: anyText(),
  error: described("The reason phrase of the status", anyText()),
  timestamp: time(),
  path: anyText(),
  traceId: described("As in the logs; the caller's own if it sent a `traceparent`", anyText()),
  details: optional(
    list(object({ field: described("Dotted, such as `profile.fullName`", anyText()), message: anyText() })),
  ),
};
const degraded = described(
  "The parts that do not work, although the node serves requests; not there if all work",
  optional(list(oneOf(["object store", "cluster", "topics", "replica"]))),
);
const health = {
  status: oneOf(["ok", "error"]),
  timestamp: time(),
  database: object({
    status: described(
      "`unknown` if the node has no database and no other node answers it",
      oneOf(["connected", "disconnected", "unknown"]),
    ),
    connections: count(),
  }),
  kafka: object({
    status: oneOf(["connected", "disconnected", "embedded"]),
    broker: nullable(anyText()),
    denied: optional(
      described(
        "The rights that Kafka denies this node, such as `CREATE on topic user-events`",
        list(anyText()),
      ),
    ),
  }),
  degraded,
};

const OTHERS: Field[] = [
  object(error, "Error"),
  object(health, "Health"),
  object({ ...error, ...health }, "HealthError"),
  object({ status: oneOf(["ok"]), degraded }, "NodeStatus"),
];

export const refer = (name: string): string => `#/components/schemas/${name}`;

export const SCHEMAS: Record<string, JsonSchema> = Object.fromEntries(
  [...REST_ACTIONS.map(([, { result }]) => result), ...OTHERS]
    .flatMap(withParts)
    .filter(({ schemaName }) => schemaName)
    .map(({ schemaName, ...field }) => [schemaName, toJsonSchema(field, refer)]),
);
