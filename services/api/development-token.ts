import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type CryptoKey,
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTVerifyGetKey,
  SignJWT,
} from "jose";
import { config } from "../../lib/config/config.ts";

/** Without a realm the service signs tokens itself, for development only (contract 9). */

export const DEVELOPMENT_ISSUER = "urn:user-service:development";
const ALGORITHM = "ES256";

/** The key is stored next to the embedded database, so that a token stays valid after a restart. */
const file = join(config.dataDir, "development-key.json");

let keyPair: Promise<{ sign: CryptoKey; verify: JWTVerifyGetKey }> | undefined;
const keys = () => {
  keyPair ??= loadKeys();
  return keyPair;
};

/** Verifies the tokens of developmentToken. It is a key set, so that a token of another algorithm finds no key. */
export const developmentKey: JWTVerifyGetKey = async (header, token) => (await keys()).verify(header, token);

/** A token that is valid for a day. */
export async function developmentToken(claims: {
  sub: string;
  email?: string;
  roles?: string[];
}): Promise<string> {
  const { sub, email, roles = [] } = claims;
  return new SignJWT({ typ: "Bearer", email, realm_access: { roles } })
    .setProtectedHeader({ alg: ALGORITHM })
    .setIssuer(DEVELOPMENT_ISSUER)
    .setAudience(config.auth.audiences)
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime("1 day")
    .sign((await keys()).sign);
}

async function loadKeys() {
  const jwk = await readKey().catch(createKey);
  const { d: _, ...publicJwk } = jwk;
  const verify = createLocalJWKSet({ keys: [{ ...publicJwk, alg: ALGORITHM }] });
  return { sign: (await importJWK(jwk, ALGORITHM)) as CryptoKey, verify };
}

const readKey = async (): Promise<JWK> => JSON.parse(readFileSync(file, "utf8"));

async function createKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwk = await exportJWK(privateKey);
  mkdirSync(config.dataDir, { recursive: true });
  writeFileSync(file, JSON.stringify(jwk), { mode: 0o600 });
  chmodSync(file, 0o600);
  return jwk;
}

/** Prints an administrator's token and a call that works, as plain lines on the terminal. */
export async function printWelcome(): Promise<void> {
  const token = await developmentToken({ sub: "development-admin", roles: ["admin"] });
  console.log(`
User Service on http://localhost:${config.port}. No AUTH_ISSUER is set, so here is an admin token, good for a day:

${token}

Try it:

curl -H "Authorization: Bearer ${token}" http://localhost:${config.port}/api/v1/users
`);
}
