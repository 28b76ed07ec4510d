import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Service } from "moleculer";
import { FORM, formOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { allRows, createUser, type Person } from "../helpers/people.ts";
import { startService, type TestService } from "../helpers/service.ts";
import { waitFor } from "../helpers/wait-for.ts";

/** Clients that send slowly: the service's own time limits pass for real. */
let service: TestService;
let person: Person;
let image: Buffer;
beforeAll(async () => {
  service = await startService();
  person = await createUser(service);
  image = await jpeg({ width: 900, height: 700 });
});
afterAll(() => service.stop());

/** A request's head, with a body of `length` bytes announced. */
const headOf = (method: string, rest: string, length: number, headers: Record<string, string>) =>
  [
    `${method} /api/v1/users/${person.id}${rest} HTTP/1.1`,
    "Host: localhost",
    `Content-Length: ${length}`,
    ...Object.entries({ ...person.headers, ...headers }).map(([name, value]) => `${name}: ${value}`),
    "\r\n",
  ].join("\r\n");
const JSON_TYPE = { "content-type": "application/json" };

/** A connection, what came back on it so far, and when it was closed, in ms from now. */
function connect() {
  const start = Date.now();
  const state = {
    socket: net.connect(Number(new URL(service.url).port), "127.0.0.1"),
    answer: "",
    closedAfter: 0,
  };
  state.socket.on("data", (data) => {
    state.answer += data;
  });
  state.socket.on("error", () => {});
  state.socket.on("close", () => {
    state.closedAfter = Date.now() - start;
  });
  return state;
}

/** How many calls are under way, in all services of the broker. */
const underWay = () =>
  (service.broker.services as (Service & { _trackedContexts?: unknown[] })[]).reduce(
    (sum, { _trackedContexts = [] }) => sum + _trackedContexts.length,
    0,
  );

test("a client that sends a byte a second, or pauses inside a file, is cut off within 30 s, and one that is only slow is served", async () => {
  const before = await allRows(service);
  const body = formOf({ filename: "a.jpg", type: "image/jpeg", content: image });
  const slow = {
    "in its head": `GET /health HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(100)}`,
    "in JSON": headOf("PATCH", "", 1000, JSON_TYPE),
    "in a form": headOf("POST", "/avatar", body.length, FORM),
    "without a token": headOf("PATCH", "", 1000, { ...JSON_TYPE, authorization: "" }),
  };
  const started = Object.entries(slow).map(([title, head]) => {
    const connection = connect();
    const text = title === "in its head" ? head : head + " ".repeat(500);
    const soFar = title === "in its head" ? 30 : head.length;
    connection.socket.write(text.slice(0, soFar));
    let sent = soFar;
    // the form is sent to the middle of its file, where the action is under way, and pauses there
    if (title === "in a form") connection.socket.write(body.subarray(0, 400));
    const drip = setInterval(
      () =>
        title !== "in a form" &&
        connection.socket.writable &&
        connection.socket.write(text.slice(sent, ++sent)),
      1_000,
    );
    connection.socket.on("close", () => clearInterval(drip));
    return [title, connection] as const;
  });

  const other = await createUser(service);
  const eightSeconds = (async () => {
    const connection = connect();
    connection.socket.write(
      headOf("POST", "/avatar", body.length, { ...FORM, ...other.headers }).replace(person.id, other.id),
    );
    const step = Math.ceil(body.length / 16);
    for (let at = 0; at < body.length; at += step) {
      connection.socket.write(body.subarray(at, at + step));
      await sleep(500);
    }
    await waitFor(() => connection.answer !== "");
    connection.socket.destroy();
    return connection.answer.split("\r\n")[0];
  })();

  await waitFor(() => started.every(([, { closedAfter }]) => closedAfter > 0), 32_000).catch(() => {});
  const cutOff = started.map(([title, { closedAfter }]) => [title, closedAfter > 0 && closedAfter <= 30_000]);
  for (const [, { socket }] of started) socket.destroy();
  expect(cutOff).toEqual(Object.keys(slow).map((title) => [title, true]));
  await waitFor(() => underWay() === 0);
  expect(await eightSeconds).toBe("HTTP/1.1 200 OK");
  expect((await allRows(service)).filter(({ id }) => id !== other.id)).toEqual(before);
}, 60_000);
