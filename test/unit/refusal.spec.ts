import { expect, test } from "@jest/globals";
import { errors, exportJWK, generateKeyPair, jwtVerify } from "jose";
import { DependencyUnavailable } from "../../lib/contract/errors.ts";
import { toRefusal } from "../../services/api/refusal.ts";

const refused = (reason: RegExp) => ({ code: 401, data: { invalidToken: expect.stringMatching(reason) } });

test("a token of a realm whose RSA key is too short is refused, and the reason names the key", async () => {
  const { publicKey } = await generateKeyPair("RS256", { extractable: true });
  const short = { ...(await exportJWK(publicKey)), n: "AQAB" };
  const token = [{ alg: "RS256" }, {}, ""].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  const error = await jwtVerify(token.join("."), short).catch((error) => error);
  expect(error).not.toBeInstanceOf(errors.JOSEError);
  expect(toRefusal(error)).toMatchObject(refused(/the realm's key for it cannot be used$/));
});

test("keys that could not be loaded lead to DEPENDENCY_UNAVAILABLE and not to a refusal", () => {
  const error = new DependencyUnavailable("identity provider");
  expect(toRefusal(error)).toBe(error);
});

test("an error of jose becomes a refusal with its reason", () => {
  expect(toRefusal(new errors.JWTExpired("late", {}))).toMatchObject(refused(/expired/));
  expect(toRefusal(new errors.JWSInvalid())).toMatchObject(refused(/malformed/));
});
