import { expect, test } from "@jest/globals";
import { ValidationFailed } from "../../lib/contract/errors.ts";
import { toErrorResponse } from "../../lib/http/error-response.ts";
import { toProblem, wantsProblem } from "../../lib/http/problem.ts";

test("a problem has the type, title, status, detail, instance, code, traceId and errors of contract 22", () => {
  const details = [{ field: "profile.fullName", message: "is required" }];
  const at = { path: "/api/v1/users", traceId: "0af7651916cd43dd8448eb211c80319c", now: new Date(0) };
  const { code, body } = toErrorResponse(new ValidationFailed(details), at);
  expect(toProblem(code, body)).toEqual({
    type: "urn:user-service:error:validation-error",
    title: "Bad Request",
    status: 400,
    detail: "Validation failed",
    instance: "/api/v1/users",
    code: "VALIDATION_ERROR",
    traceId: at.traceId,
    errors: details,
  });
});

test.each([
  "application/problem+json",
  "Application/Problem+JSON",
  "application/problem+json; q=0.5",
  "application/problem+json;charset=utf-8",
  "application/json, application/problem+json",
  "application/problem+json,*/*;q=0.1",
  "text/html , application/problem+json ; q=1 , */*",
])("Accept: %s selects application/problem+json", (accept) => expect(wantsProblem(accept)).toBe(true));

test.each([
  undefined,
  "",
  "*/*",
  "application/*",
  "application/json",
  "application/problem+xml",
  "application/problem+jsonp",
  "x-application/problem+json",
  "application/problem+json;q=0",
  "application/problem+json ; q=0.000, application/json",
])("Accept: %s does not select application/problem+json", (accept) =>
  expect(wantsProblem(accept)).toBe(false),
);
