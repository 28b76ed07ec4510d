import { expect, test } from "@jest/globals";
import { Unauthorized } from "../../lib/contract/errors.ts";
import { invalidToken } from "../../services/api/refusal.ts";
import { logRefusal } from "../../services/api/refusal-log.ts";

test("each reason to refuse a token is logged at most once a minute, with the number of lines that were not logged", () => {
  const lines: unknown[] = [];
  const logger = { warn: (fields: object, message: string) => void lines.push({ ...fields, message }) };
  const refuse = (reason: string, second: number) => logRefusal(logger, invalidToken(reason), second * 1_000);
  for (let second = 0; second < 150; second++) {
    refuse("its audience is wrong", second);
    if (second % 50 === 0) refuse("it expired", second);
  }
  const line = { action: "token_refused", issuer: undefined, audiences: ["user-service"] };
  const ofAudience = { ...line, message: "The token is refused: its audience is wrong" };
  const ofExpiry = { ...line, message: "The token is refused: it expired" };
  expect(lines).toEqual([
    { ...ofAudience, notLogged: 0 },
    { ...ofExpiry, notLogged: 0 },
    { ...ofAudience, notLogged: 59 },
    { ...ofExpiry, notLogged: 1 },
    { ...ofAudience, notLogged: 59 },
  ]);
});

test("an error that gives no reason about a token is not logged as a refusal", () => {
  const logger = {
    warn: () => {
      throw new Error("logged");
    },
  };
  for (const error of [new Unauthorized(), new Error("anything else")]) logRefusal(logger, error, 0);
});
