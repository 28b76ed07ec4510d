import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CryptoKey, exportSPKI, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from "jose";

const ISSUER = "urn:user-service:development";
const AUDIENCE = "user-service";
const ourKey = () =>
  JSON.parse(readFileSync(join(process.env.DATA_DIR ?? "", "development-key.json"), "utf8"));
const now = () => Math.floor(Date.now() / 1000);

/** The headers of an administrator whose token expires at `exp`, in s from now. */
export async function tokenUntil(
  seconds: number,
  claims: object = {},
  header: object = {},
): Promise<{ authorization: string }> {
  const key = await importJWK(ourKey(), "ES256");
  const token = new SignJWT({
    sub: "an-admin",
    iss: ISSUER,
    aud: AUDIENCE,
    typ: "Bearer",
    exp: now() + seconds,
    realm_access: { roles: ["admin"] },
    ...claims,
  });
  return { authorization: `Bearer ${await token.setProtectedHeader({ alg: "ES256", ...header }).sign(key)}` };
}

/** Authorization headers that must be refused (contract 9); if it were accepted, each would be an administrator's. */
export async function badTokens(): Promise<Record<string, string>> {
  const jwk = ourKey();
  const { d: _, ...publicJwk } = jwk;
  const ours = await importJWK(jwk, "ES256");
  const publicKey = (await importJWK(publicJwk, "ES256", { extractable: true })) as CryptoKey;
  const [ec, rsa] = await Promise.all([generateKeyPair("ES256"), generateKeyPair("RS256")]);

  const claims = { realm_access: { roles: ["admin"] } };
  const good = { sub: "an-admin", iss: ISSUER, aud: AUDIENCE, typ: "Bearer", exp: now() + 7_200 };
  const sign = (payload: object, key: Parameters<SignJWT["sign"]>[0] = ours, alg = "ES256", header = {}) =>
    new SignJWT({ ...claims, ...payload }).setProtectedHeader({ alg, ...header }).sign(key);
  const { sub: _sub, ...withoutSub } = good;
  const { exp: _exp, ...withoutExp } = good;
  const valid = await sign(good);
  const [head, , signature] = valid.split(".");
  const changed = Buffer.from(JSON.stringify({ ...good, ...claims, sub: "another" })).toString("base64url");

  const tokens = {
    expired: await sign({ ...good, exp: now() - 6 }),
    "not valid yet": await sign({ ...good, nbf: now() + 3_600 }),
    "of another audience": await sign({ ...good, aud: "account" }),
    "of another issuer": await sign({ ...good, iss: `${ISSUER}/` }),
    "without sub": await sign(withoutSub),
    "with an empty sub": await sign({ ...good, sub: "" }),
    "without exp": await sign(withoutExp),
    "without audience": await sign({ ...good, aud: undefined }),
    "an ID token": await sign({ ...good, typ: "ID" }),
    "a refresh token": await sign({ ...good, typ: "Refresh" }),
    "a logout token": await sign({ ...good, typ: "Logout" }),
    "a logout token by its header": await sign({ ...good, typ: undefined }, ours, "ES256", {
      typ: "logout+jwt",
    }),
    "a token bound to a key (DPoP)": await sign({ ...good, typ: "DPoP" }),
    "without typ": await sign({ ...good, typ: undefined }),
    "an ID token in the header of an access token": await sign({ ...good, typ: "ID" }, ours, "ES256", {
      typ: "at+jwt",
    }),
    "alg none": new UnsecuredJWT({ ...claims, ...good }).encode(),
    "HS256 with our public key": await sign(good, Buffer.from(await exportSPKI(publicKey)), "HS256"),
    "HS256 with the text of our key": await sign(good, Buffer.from(JSON.stringify(publicJwk)), "HS256"),
    "ES256 with another key": await sign(good, ec.privateKey),
    "RS256 with another key": await sign(good, rsa.privateKey, "RS256"),
    "PS256 with another key": await sign(good, (await generateKeyPair("PS256")).privateKey, "PS256"),
    "with its own key in the header": await sign(good, ec.privateKey, "ES256", { jwk: publicJwk, kid: "x" }),
    "with an unknown crit": `${Buffer.from('{"alg":"ES256","crit":["x"],"x":1}').toString("base64url")}.${changed}.${signature}`,
    "with its payload changed": `${head}.${changed}.${signature}`,
    "without a signature": valid.replace(/[^.]+$/, ""),
    garbage: "garbage",
    "dots only": "..",
    "not JSON": `${head}.${Buffer.from("no JSON").toString("base64url")}.${signature}`,
  };
  const bearer = Object.entries(tokens).map(([title, token]) => [title, `Bearer ${token}`]);
  return {
    ...Object.fromEntries(bearer),
    Basic: `Basic ${Buffer.from("admin:admin").toString("base64")}`,
    "Bearer alone": "Bearer",
    "two tokens": `Bearer ${valid} ${valid}`,
    "no scheme": valid,
  };
}
