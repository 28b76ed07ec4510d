import { describe, expect, test } from "@jest/globals";
import { Errors } from "moleculer";
import * as errors from "../../lib/contract/errors.ts";
import { toErrorResponse } from "../../lib/http/error-response.ts";

const at = { path: "/api/v1/users", traceId: "0af7651916cd43dd8448eb211c80319c", now: new Date(0) };
const answerTo = (error: unknown) => toErrorResponse(error, at);
const details = [{ field: "profile.fullName", message: "is required" }];

/** Every public error, with its status, message and reason phrase (contract 3). */
const PUBLIC: [Error, number, string, string][] = [
  [new errors.ValidationFailed(details), 400, "Validation failed", "Bad Request"],
  [new errors.BadRequest("Broken"), 400, "Broken", "Bad Request"],
  [new errors.Unauthorized("Token expired"), 401, "Token expired", "Unauthorized"],
  [new errors.Forbidden("For administrators only"), 403, "For administrators only", "Forbidden"],
  [new errors.UserNotFound("ID", "3f"), 404, "User with ID 3f not found", "Not Found"],
  [new errors.UserNotFound("Keycloak ID", "kc"), 404, "User with Keycloak ID kc not found", "Not Found"],
  [new errors.UserNotFound("email", "a@b.co"), 404, "User with email a@b.co not found", "Not Found"],
  [new errors.AvatarNotFound(), 404, "Avatar not found", "Not Found"],
  [new errors.RouteNotFound(), 404, expect.any(String) as never, "Not Found"],
  [new errors.MethodNotAllowed(["GET"]), 405, expect.any(String) as never, "Method Not Allowed"],
  [new errors.EmailTaken("a@b.co"), 409, "User with email a@b.co already exists", "Conflict"],
  [new errors.KeycloakIdTaken("kc"), 409, "User with Keycloak ID kc already exists", "Conflict"],
  [new errors.VersionConflict(), 412, "Precondition failed: the user has changed", "Precondition Failed"],
  [new errors.AvatarTooLarge(), 413, "Avatar file size exceeds 5MB limit", "Payload Too Large"],
  [new errors.BodyTooLarge(), 413, expect.any(String) as never, "Payload Too Large"],
  [new errors.UnsupportedImage(), 415, "Only JPEG and PNG images are supported", "Unsupported Media Type"],
  [new errors.DependencyUnavailable("database"), 503, expect.any(String) as never, "Service Unavailable"],
];

test.each(PUBLIC)("%s has its status, message and reason phrase", (error, statusCode, message, reason) => {
  const { status, body } = answerTo(error);
  expect(status).toBe(statusCode);
  expect(body).toMatchObject({
    statusCode,
    message,
    error: reason,
    timestamp: "1970-01-01T00:00:00.000Z",
    path: at.path,
    traceId: at.traceId,
  });
});

test.each(PUBLIC)("%s has the same answer if another node returned it", (error) => {
  const { code, type, message, data } = error as Error & { code: number; type: string; data: unknown };
  const carried = Object.assign(new Error(message), { code, type, data });
  expect(answerTo(carried)).toEqual(answerTo(error));
});

test("only validation errors have details", () => {
  expect(answerTo(new errors.ValidationFailed(details)).body.details).toEqual(details);
  for (const [error] of PUBLIC.slice(1)) expect(answerTo(error).body).not.toHaveProperty("details");
});

test("405 has Allow, 401 has WWW-Authenticate, and 503 has Retry-After", () => {
  expect(answerTo(new errors.MethodNotAllowed(["GET", "HEAD"])).headers).toEqual({
    Allow: "GET, HEAD",
    "x-error-code": "METHOD_NOT_ALLOWED",
  });
  expect(answerTo(new errors.Unauthorized()).headers).toEqual({
    "WWW-Authenticate": "Bearer",
    "x-error-code": "UNAUTHORIZED",
  });
  const refused = new errors.Unauthorized("Invalid token", { invalidToken: "its issuer is wrong" });
  expect(answerTo(refused).headers["WWW-Authenticate"]).toBe(
    'Bearer error="invalid_token", error_description="its issuer is wrong"',
  );
  expect(answerTo(new errors.DependencyUnavailable("database")).headers["Retry-After"]).toMatch(/^\d+$/);
});

test.each(PUBLIC)("x-error-code is the type of %s", (error) => {
  const { type } = error as Error & { type: string };
  expect(answerTo(error)).toMatchObject({ code: type, headers: { "x-error-code": type } });
});

describe("a call to a node that is unavailable or too slow is answered with 503 and Retry-After", () => {
  const E = Errors as unknown as Record<string, new (data?: object) => Error>;
  test.each([
    "ServiceNotFoundError",
    "ServiceNotAvailableError",
    "RequestTimeoutError",
    "RequestSkippedError",
    "RequestRejectedError",
    "QueueIsFullError",
    "BrokerDisconnectedError",
  ])("%s", (name) => {
    const AnError = E[name] as new (data: object) => Error;
    const error = new AnError({ action: "users.get", nodeID: "node-7", service: "users" });
    const { status, headers, body } = answerTo(error);
    expect(status).toBe(503);
    expect(headers["x-error-code"]).toBe("DEPENDENCY_UNAVAILABLE");
    expect(headers["Retry-After"]).toMatch(/^\d+$/);
    expect(JSON.stringify(body)).not.toMatch(/users\.get|node-7/);
  });
});

describe("any other error is answered with 500, and the body reveals nothing of its cause", () => {
  const secret = "password=hunter2";
  test.each([
    ["an Error", new Error(secret)],
    ["an Error with a status", Object.assign(new Error(secret), { code: 418, statusCode: 418 })],
    [
      "an Error with data",
      Object.assign(new Error(secret), { code: 400, type: "OTHER", data: [{ secret }] }),
    ],
    ["an error of PostgreSQL", Object.assign(new Error(secret), { code: "22003", detail: secret })],
    ["an error of Moleculer", new Errors.MoleculerError(secret, 404, "SOMETHING", { secret })],
    ["a text", secret],
    ["a number", 404],
    ["undefined", undefined],
    ["null", null],
  ])("%s", (_what, error) => {
    const { status, headers, body } = answerTo(error);
    expect({ status, headers, body }).toEqual({
      status: 500,
      headers: { "x-error-code": "INTERNAL_ERROR" },
      body: {
        statusCode: 500,
        message: "Internal server error",
        error: "Internal Server Error",
        timestamp: "1970-01-01T00:00:00.000Z",
        path: at.path,
        traceId: at.traceId,
      },
    });
  });
});
