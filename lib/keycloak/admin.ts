import type { KeycloakConfig } from "../config/config.ts";
import { createTokenSource } from "../runtime/access-token.ts";
import { pause } from "../runtime/tasks.ts";
import { CHANGING_EVENTS } from "./event.ts";
import { type Person, personOf } from "./person.ts";

/** What the service reads from Keycloak's admin API. Nothing is written there. */
export type KeycloakAdmin = {
  /**
   * @returns the person, or undefined if Keycloak itself says that the realm has no user with this id
   * @throws KeycloakUnavailable
   */
  person(id: string): Promise<Person | undefined>;
  /** The number of people in the realm. @throws KeycloakUnavailable */
  count(): Promise<number>;
  /** All people of the realm, page by page. @throws KeycloakUnavailable */
  people(): AsyncGenerator<Person[]>;
  /**
   * The saved events about users, page by page: those of administrators, then those of the users themselves.
   * @param since a time of Keycloak's clock, in ms
   * @throws KeycloakUnavailable
   */
  events(since: number): AsyncGenerator<unknown[]>;
  /**
   * @returns whether Keycloak answers that it does not save the events of users, or those of administrators
   * @throws KeycloakUnavailable
   */
  lacksEvents(): Promise<boolean>;
};

/** Keycloak does not answer, refuses, or its answer is not what was asked for. */
export class KeycloakUnavailable extends Error {
  readonly retryable = true;
}

/** In ms: how long one answer may take, with its body. */
const ANSWER_WITHIN = 5_000;
/** In ms: the delays before a request is repeated. */
const REPEAT_AFTER = [200, 1_000];
/** The people or events of one request; Keycloak itself has 100 by default. */
const PAGE = 100;

type Answer = { status: number; body: unknown };

/**
 * A client of Keycloak's admin API, which renews its token, and repeats what failed.
 * @param config the realm, and a client of it that may view users and events
 * @param signal ends all requests when it aborts
 */
export function openKeycloak(
  { url, realm, clientId, clientSecret }: KeycloakConfig,
  signal: AbortSignal,
): KeycloakAdmin {
  const tokenUrl = `${url}/realms/${realm}/protocol/openid-connect/token`;
  const newSource = () =>
    createTokenSource("Keycloak", { tokenUrl, username: clientId, password: clientSecret });
  let token = newSource();

  async function askOnce(path: string): Promise<Answer> {
    const answer = await fetch(`${url}/admin/realms/${realm}/${path}`, {
      headers: { authorization: `Bearer ${await token()}` },
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN)]),
    });
    const { status } = answer;
    const body = await answer.json();
    if (status === 401) token = newSource(); // the session of the token has ended
    if (status === 401 || status === 429 || status >= 500) throw new Error(`status ${status}`);
    return { status, body };
  }

  async function ask(path: string): Promise<Answer> {
    for (let attempt = 0; ; attempt++)
      try {
        return await askOnce(path);
      } catch (error) {
        const delay = REPEAT_AFTER[attempt];
        if (delay === undefined || signal.aborted) throw unavailable(String((error as Error).message));
        await pause(delay, signal);
      }
  }

  async function* pages(path: string): AsyncGenerator<unknown[]> {
    let last: string | undefined;
    for (let first = 0; ; first += PAGE) {
      const { status, body } = await ask(`${path}first=${first}&max=${PAGE}`);
      if (status !== 200 || !Array.isArray(body)) throw unavailable(`status ${status}, and no list`);
      const text = JSON.stringify(body);
      if (body.length > 0 && text === last) throw unavailable("the same page twice");
      last = text;
      if (body.length > 0) yield body;
      if (body.length < PAGE) return;
    }
  }

  return {
    async person(id) {
      const { status, body } = await ask(`users/${encodeURIComponent(id)}`);
      if (status === 404 && (body as { error?: string } | null)?.error === "User not found") return undefined;
      const person = status === 200 ? personOf(body) : undefined;
      if (person?.id !== id) throw unavailable(`status ${status}, and no user`);
      return person;
    },

    async count() {
      const { status, body } = await ask("users/count");
      if (status !== 200 || typeof body !== "number") throw unavailable(`status ${status}, and no number`);
      return body;
    },

    async *people() {
      for await (const page of pages("users?briefRepresentation=true&")) {
        const people = page.map(personOf);
        if (!people.every((person) => person !== undefined)) throw unavailable("one of its users has no id");
        yield people;
      }
    },

    async *events(since) {
      const from = `dateFrom=${since}&direction=asc&`;
      yield* pages(`admin-events?resourceTypes=USER&${from}`);
      yield* pages(`events?${CHANGING_EVENTS.map((type) => `type=${type}&`).join("")}${from}`);
    },

    async lacksEvents() {
      const { body } = await ask("events/config");
      const { eventsEnabled, adminEventsEnabled } = (body ?? {}) as Record<string, unknown>;
      return eventsEnabled === false || adminEventsEnabled === false;
    },
  };
}

const unavailable = (what: string): KeycloakUnavailable =>
  new KeycloakUnavailable(`Keycloak's admin API gave no answer that can be used: ${what}`);
