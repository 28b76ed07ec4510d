import { execFile } from "node:child_process";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { openBucket } from "./avatars.ts";
import type { World } from "./world.ts";

/** Searches for random texts in the bytes of the database, the object store and the logs. */

/** A text that is valid in every free-text field, and as a language, because it is a private-use tag. */
export const newText = (): string =>
  `x-${crypto
    .randomUUID()
    .replaceAll("-", "")
    .replaceAll(/.{8}\B/g, "$&-")}`;
const TEXT = /x-[0-9a-f]{8}(?:-[0-9a-f]{8}){3}/gi;

/** The places that each text was found in, in any case, and the number of bytes that were searched. */
export type Findings = { places: Map<string, string[]>; bytes: number };

function search(parts: Iterable<{ place: string; content: string }>): Findings {
  const places = new Map<string, string[]>();
  let bytes = 0;
  for (const { place, content } of parts) {
    bytes += content.length;
    for (const text of new Set(content.match(TEXT)?.map((found) => found.toLowerCase())))
      places.set(text, [...(places.get(text) ?? []), place]);
  }
  return { places, bytes };
}

/** Reads each byte as a character. */
const DUMP = { encoding: "latin1", maxBuffer: 2 ** 30 } as const;

/** Searches `pg_dump`, which shows the bytes of a BYTEA as they are. The places are tables. */
export async function searchDatabase({ env, server }: World): Promise<Findings> {
  const { host, port, database, user, password } = server;
  const connection = {
    PGHOST: host,
    PGPORT: `${port}`,
    PGDATABASE: database,
    PGUSER: user,
    PGPASSWORD: password,
  };
  const { stdout } = await promisify(execFile)("pg_dump", [`--schema=${env.DATABASE_SCHEMA}`], {
    ...DUMP,
    env: { ...process.env, ...connection, PGOPTIONS: "-c bytea_output=escape" },
  });
  const parts = stdout.split(/^(?=COPY )/m);
  return search(
    parts.map((content) => ({ place: /^COPY \w+\.(\w+)/.exec(content)?.[1] ?? "schema", content })),
  );
}

/** Searches the names and the bytes of all objects. */
export async function searchBucket(world: World): Promise<Findings & { objects: string[] }> {
  const { client, bucket } = openBucket(world);
  const parts: { place: string; content: string }[] = [];
  for await (const { name } of client.listObjectsV2(bucket, "", true)) {
    const content = await buffer(await client.getObject(bucket, name));
    parts.push({ place: name, content: name + content.toString("latin1") });
  }
  return { ...search(parts), objects: parts.map(({ place }) => place) };
}

/** Searches the output of all processes of the nodes. */
export const searchLogs = ({ nodes }: World): Findings =>
  search(nodes.map((node, index) => ({ place: `log of node ${index + 1}`, content: node.printed() })));
