import { expect } from "@jest/globals";
import type { Person } from "./people.ts";
import { type AnswerBody, type Answered, type Asked, type Headers, requestAs } from "./request.ts";
import type { TestService } from "./service.ts";

/** What a spec about one user has as soon as a test runs. */
export type OneUser = { service: TestService; admin: Headers; person: Person };

export const USERS = "/api/v1/users";

/** Requests about the user, by an admin if no headers name another caller. */
export function requestsOf<Body extends AnswerBody = AnswerBody>(get: () => OneUser) {
  const ask = async (asked: Asked, headers: Headers = get().admin) =>
    (await requestAs(get().service.url, headers, asked)) as Answered & { body: Body };
  const send = (method: string, rest = "", body?: object, headers?: Headers) =>
    ask({ method, path: `${USERS}/${get().person.id}${rest}`, body }, headers);
  /** Expects that the answer is 200. */
  const succeed = async (...request: Parameters<typeof send>) => {
    const answer = await send(...request);
    expect([answer.status, answer.body.message]).toEqual([200, answer.body.message]);
    return answer;
  };
  return { ask, send, succeed };
}
