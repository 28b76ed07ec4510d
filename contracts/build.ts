import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withParts } from "../lib/contract/compound.ts";
import type { EventContract } from "../lib/contract/events.ts";
import { VERSION } from "../lib/contract/events.ts";
import { OFFERED, PUBLISHED } from "../services/contracts.ts";
import { CONSUMED_EVENTS, RECEIPT } from "../services/ingest/ingest.contract.ts";
import { block, member, shapeOf, typeOf } from "./typescript.ts";

/**
 * Builds the package that other projects install to get `user-service/contracts`: the types and `call`, without
 * dependencies. The types are written out, so that they import nothing, and are the same for every module system.
 */

const ROOT = join(import.meta.dirname, "..");
const PACKAGE = join(ROOT, "dist/contracts");

const NAMED = new Map(
  OFFERED.flatMap(([, { result }]) => withParts(result))
    .filter((field) => typeof field.schemaName === "string")
    .map((field) => [String(field.schemaName), field]),
);

const NAMES = [...NAMED.keys()];
const namedTypes = [...NAMED].map(
  ([name, field]) =>
    `export type ${name} = ${typeOf(
      field,
      "value",
      NAMES.filter((other) => other !== name),
    )};`,
);

const actions = OFFERED.map(([name, { summary, params, result }]) =>
  member(
    `"${name}"`,
    block([member("params", shapeOf(params, "given")), member("result", typeOf(result, "value", NAMES))]),
    summary,
  ),
);

const events = (contracts: Record<string, Pick<EventContract, "summary" | "data">>) =>
  Object.entries(contracts).map(([type, { summary, data }]) =>
    member(`"${type}"`, shapeOf(data, "value"), summary),
  );

const TYPES = `${namedTypes.join("\n\n")}

/** An image, or JSON in UTF-8: a readable stream of Node. */
export type ByteStream = AsyncIterable<Uint8Array>;

/** The actions: what a caller passes, and what it gets. \`avatars.upload\` takes the file as the option \`stream\`. */
export type Actions = ${block(actions)};

/** The \`data\` of the events that the service publishes. */
export type Events = ${block(events(PUBLISHED))};

/** A published event, as it is on Kafka and as a Moleculer listener gets it in \`ctx.params\`. */
export type Envelope<Type extends keyof Events = keyof Events> = {
  eventId: string;
  eventType: Type;
  timestamp: string;
  userId: string;
  data: Events[Type];
  metadata: { service: "user-service"; version: string; correlationId: string; causationId?: string };
};

/** The \`data\` of the events that the service consumes. */
export type ConsumedEvents = ${block(events(CONSUMED_EVENTS))};

/**
 * The user of a consumed event, and its own id. Without one, an event is identified by its type and its file or
 * interview. \`${RECEIPT.type}\` needs neither.
 */
export type ConsumedEventIds = { userId: string; eventId?: string | number };

type IdsOf<Type> = Type extends "${RECEIPT.type}" ? Partial<ConsumedEventIds> : ConsumedEventIds;

/**
 * The params with which a Moleculer service may emit a consumed event, by its name: its data with the ids, or an
 * envelope.
 */
export type NativeEvents = {
  [Type in keyof ConsumedEvents]: IdsOf<Type> & (ConsumedEvents[Type] | { data: ConsumedEvents[Type] });
};

${await readFile(join(ROOT, "lib/contract/failures.ts"), "utf8")}
/** Moleculer's \`ctx\` or \`broker\`. */
export type Caller = { call(action: string, params: never, options?: never): PromiseLike<unknown> };

/** Moleculer's options of a call. */
export type CallOptions = { timeout?: number; retries?: number; meta?: object; [option: string]: unknown };

/** Calls an action of the service. Rejects with an \`ActionError\`. */
export function call<Name extends keyof Actions>(
  ctx: Caller,
  action: Name,
  params: Actions[Name]["params"],
  options?: CallOptions,
): Promise<Actions[Name]["result"]>;
`;

const CALL = "(ctx, action, params, options = {}) => ctx.call(action, params, options);\n";

const MANIFEST = {
  name: "user-service",
  version: VERSION,
  description: "Types of the User Service's actions and events, and a typed call for Moleculer",
  license: "MIT",
  exports: {
    "./contracts": {
      import: { types: "./contracts.d.mts", default: "./contracts.mjs" },
      require: { types: "./contracts.d.ts", default: "./contracts.js" },
    },
    "./package.json": "./package.json",
  },
  peerDependencies: { moleculer: ">=0.14" },
  peerDependenciesMeta: { moleculer: { optional: true } },
};

await rm(PACKAGE, { recursive: true, force: true });
await mkdir(PACKAGE, { recursive: true });
for (const [name, text] of Object.entries({
  "package.json": `${JSON.stringify(MANIFEST, null, 2)}\n`,
  "contracts.d.ts": TYPES, // for `require`, and for the old resolution that does not read "exports"
  "contracts.d.mts": TYPES,
  "contracts.js": `exports.call = ${CALL}`,
  "contracts.mjs": `export const call = ${CALL}`,
}))
  await writeFile(join(PACKAGE, name), text);
