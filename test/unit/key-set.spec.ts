import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, jwtVerify, SignJWT } from "jose";
import { jwksFetches } from "../../lib/runtime/metrics.ts";
import { realmKeys } from "../../services/api/key-set.ts";

/** A realm on this machine: the number of requests that it received, and its answer. */
const realm = { requests: 0, keys: [] as JWK[], status: 200, body: undefined as string | undefined };
let server: Server;
let url: string;
/** The clock of the key set, in ms. */
let now: number;
let keys: ReturnType<typeof realmKeys>;

beforeEach(async () => {
  Object.assign(realm, { requests: 0, keys: [], status: 200, body: undefined });
  now = 1_000_000;
  server = createServer((_req, res) => {
    realm.requests++;
    res.writeHead(realm.status, { "content-type": "application/json", connection: "close" });
    res.end(realm.body ?? JSON.stringify({ keys: realm.keys }));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/certs`;
  keys = realmKeys(url, () => now);
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

const signer: Record<string, CryptoKey> = {};

/** Creates a key of the realm. Returns its entry in the JWKS. */
async function newKey(kid: string): Promise<JWK> {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  signer[kid] = privateKey;
  return { ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" };
}

async function verify(kid: string): Promise<string | undefined> {
  const header = { alg: "ES256", kid };
  const token = await new SignJWT({})
    .setProtectedHeader(header)
    .setSubject("ada")
    .sign(signer[kid] as CryptoKey);
  return (await jwtVerify(token, keys)).payload.sub;
}

const unknownKey = expect.objectContaining({ code: "ERR_JWKS_NO_MATCHING_KEY" });
const unavailable = expect.objectContaining({ type: "DEPENDENCY_UNAVAILABLE", code: 503 });

test("the keys are cached: many tokens, also concurrent ones, cause one request to the realm", async () => {
  realm.keys = [await newKey("a")];
  expect(await Promise.all(Array.from({ length: 20 }, () => verify("a")))).toEqual(Array(20).fill("ada"));
  now += 60_000;
  expect(await verify("a")).toBe("ada");
  expect(realm.requests).toBe(1);
});

test("unusable keys of the realm do not affect the other keys, and tokens signed with them are refused", async () => {
  const broken = await newKey("broken");
  const postQuantum = { kty: "AKP", alg: "ML-DSA-65", kid: "post-quantum", pub: "AAAA", use: "sig" };
  const odd = [postQuantum, { kty: "unknown", kid: "a" }, { kid: "without a type" }, null, 5, "text", []];
  realm.keys = [...odd, { ...broken, x: "!!" }, await newKey("good")] as JWK[];
  expect(await verify("good")).toBe("ada");
  for (const kid of ["broken", "post-quantum", "a"]) {
    signer[kid] ??= signer.good as CryptoKey;
    await expect(verify(kid)).rejects.toEqual(unknownKey);
  }
  expect(await verify("good")).toBe("ada");
});

test("a rotated key is accepted within 30 s", async () => {
  realm.keys = [await newKey("old")];
  await verify("old");
  now += 1;
  realm.keys = [await newKey("new")];
  now += 30_000;
  expect(await verify("new")).toBe("ada");
  expect(realm.requests).toBe(2);
});

test("a new key is accepted at once if the last request for keys was more than 30 s ago", async () => {
  realm.keys = [await newKey("old")];
  await verify("old");
  now += 31_000;
  realm.keys = [...realm.keys, await newKey("new")];
  expect(await Promise.all([verify("new"), verify("new"), verify("old")])).toEqual(["ada", "ada", "ada"]);
  expect(realm.requests).toBe(2);
});

test("a flood of unknown key ids causes at most one request in 30 s", async () => {
  realm.keys = [await newKey("a")];
  await verify("a");
  await newKey("made-up");
  for (let second = 1; second <= 90; second++) {
    now += 1_000;
    for (const result of await Promise.allSettled([verify("made-up"), verify("made-up")]))
      expect(result).toEqual({ status: "rejected", reason: unknownKey });
  }
  expect(realm.requests).toBeLessThanOrEqual(1 + 3);
  expect(await verify("a")).toBe("ada");
});

describe("before the keys were loaded for the first time", () => {
  test("the realm is asked at most every 2 s, and callers get DEPENDENCY_UNAVAILABLE", async () => {
    realm.keys = [await newKey("a")];
    realm.status = 500;
    for (let step = 0; step < 20; step++) {
      await expect(verify("a")).rejects.toEqual(unavailable);
      now += 500;
    }
    expect(realm.requests).toBe(5);
    realm.status = 200;
    expect(await verify("a")).toBe("ada");
  });

  test.each(["", "{", "{}", '{"keys":5}', "<html>"])(
    "the answer %j, which is not a key set, leads to DEPENDENCY_UNAVAILABLE",
    async (body) => {
      await newKey("a");
      realm.body = body;
      await expect(verify("a")).rejects.toEqual(unavailable);
    },
  );

  test("a realm that refuses connections leads to DEPENDENCY_UNAVAILABLE", async () => {
    await newKey("a");
    await new Promise((resolve) => server.close(resolve));
    await expect(verify("a")).rejects.toEqual(unavailable);
    server.listen(0); // because afterEach closes it
    await new Promise((resolve) => server.once("listening", resolve));
  });
});

test("the known keys stay valid while the realm is unavailable, for any length of time", async () => {
  realm.keys = [await newKey("a")];
  await verify("a");
  realm.status = 503;
  for (let hour = 0; hour < 24; hour++) {
    now += 3_600_000;
    expect(await verify("a")).toBe("ada");
  }
  await newKey("unknown");
  await expect(verify("unknown")).rejects.toEqual(unknownKey);
});

describe("a key that the realm removed is refused within 5 minutes", () => {
  /** How long token.ts accepts a token again without checking its key, in ms. */
  const REMEMBERED = 30_000;

  beforeEach(async () => {
    realm.keys = [await newKey("leaked"), await newKey("good")];
    await verify("leaked");
  });

  test.each([
    { idle: "the rest of the 5 minutes", ms: 300_000 - REMEMBERED },
    { idle: "an hour", ms: 3_600_000 },
    { idle: "a year", ms: 31_536_000_000 },
  ])("if nobody sent a token for $idle", async ({ ms }) => {
    realm.keys = realm.keys.slice(1);
    now += ms;
    await expect(verify("leaked")).rejects.toEqual(unknownKey);
    expect(await verify("good")).toBe("ada");
    expect(realm.requests).toBe(2);
  });

  test("if tokens arrive all the time, although they do not wait for the realm", async () => {
    now += 200_000;
    expect(await verify("leaked")).toBe("ada"); // requests the keys in the background
    while (realm.requests < 2) await new Promise(setImmediate);
    realm.keys = realm.keys.slice(1);
    for (let second = 0; second < 300 - REMEMBERED / 1_000; second += 10) {
      now += 10_000;
      await verify("good");
    }
    await expect(verify("leaked")).rejects.toEqual(unknownKey);
  });

  test("if the realm was unavailable at the previous request", async () => {
    realm.status = 503;
    now += 240_000;
    expect(await verify("leaked")).toBe("ada");
    realm.status = 200;
    realm.keys = realm.keys.slice(1);
    now += 60_000;
    await expect(verify("leaked")).rejects.toEqual(unknownKey);
  });
});

test("each request for the keys is counted, by its result", async () => {
  const fetches = async (result: string) =>
    (await jwksFetches.get()).values.find(({ labels }) => labels.result === result)?.value ?? 0;
  const [ok, failed] = [await fetches("ok"), await fetches("failed")];
  const key = await newKey("a");
  for (const answer of [
    { status: 500 },
    { status: 200, body: "no JSON" },
    { body: undefined, keys: [key] },
  ]) {
    Object.assign(realm, answer);
    await verify("a").catch(() => {});
    now += 2_000;
  }
  expect([(await fetches("ok")) - ok, (await fetches("failed")) - failed]).toEqual([1, 2]);
});
