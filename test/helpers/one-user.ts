import { afterAll, beforeAll, beforeEach, expect } from "@jest/globals";
import { collectEvents } from "./collect-events.ts";
import { createUser, type Person } from "./people.ts";
import { type AnswerBody, type Answered, type Asked, type Headers, requestAs } from "./request.ts";
import { startService, type TestService } from "./service.ts";

/** For specs about one user: a service for all tests of the file, and a new user for each test. */

export let service: TestService;
/** The headers of an admin. */
export let admin: Headers;
export let person: Person;
/** The events that the service emitted. */
export const events: ReturnType<typeof collectEvents> = collectEvents();

export const USERS = "/api/v1/users";

/** Starts the service before the tests of this file, with these variables, and stops it after them. */
export function withOneUser(env: Record<string, string> = {}): void {
  beforeAll(async () => {
    service = await startService({ services: [events.schema], env });
    admin = await service.admin();
  });
  beforeEach(async () => {
    person = await createUser(service);
  });
  afterAll(() => service.stop());
}

/** Creates another user for the rest of the test. */
export function turnTo(other: Person): void {
  person = other;
}

/** Requests about the user, by an admin if no headers name another caller. */
export function requestsOf<Body extends AnswerBody = AnswerBody>() {
  const ask = async (asked: Asked, headers: Headers = admin) =>
    (await requestAs(service.url, headers, asked)) as Answered & { body: Body };
  const send = (method: string, rest = "", body?: object, headers?: Headers) =>
    ask({ method, path: `${USERS}/${person.id}${rest}`, body }, headers);
  /** Expects that the answer is 200. */
  const succeed = async (...request: Parameters<typeof send>) => {
    const answer = await send(...request);
    expect([answer.status, answer.body.message]).toEqual([200, answer.body.message]);
    return answer;
  };
  return { ask, send, succeed };
}
