import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { FORM, formOf } from "../helpers/form.ts";
import { jpeg } from "../helpers/images.ts";
import { allRows, createUser, type Person } from "../helpers/people.ts";
import { callsRunning, connect, headOf } from "../helpers/raw-client.ts";
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

const JSON_TYPE = { "content-type": "application/json" };

test("a client that sends a byte per second or pauses within a file is disconnected within 30 s; an upload of 8 s succeeds", async () => {
  const before = await allRows(service);
  const body = formOf({ filename: "a.jpg", type: "image/jpeg", content: image });
  const slow = {
    "in its head": `GET /health HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(100)}`,
    "in JSON": headOf(person, "PATCH", "", 1000, JSON_TYPE),
    "in a form": headOf(person, "POST", "/avatar", body.length, FORM),
    "without a token": headOf(person, "PATCH", "", 1000, { ...JSON_TYPE, authorization: "" }),
  };
  const started = Object.entries(slow).map(([title, head]) => {
    const connection = connect(service);
    const text = title === "in its head" ? head : head + " ".repeat(500);
    const soFar = title === "in its head" ? 30 : head.length;
    connection.socket.write(text.slice(0, soFar));
    let sent = soFar;
    // the form is sent up to the middle of its file, when the action is already running, and pauses
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
    const connection = connect(service);
    connection.socket.write(
      headOf(person, "POST", "/avatar", body.length, { ...FORM, ...other.headers }).replace(
        person.id,
        other.id,
      ),
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
  await waitFor(() => callsRunning(service) === 0);
  expect(await eightSeconds).toBe("HTTP/1.1 200 OK");
  expect((await allRows(service)).filter(({ id }) => id !== other.id)).toEqual(before);
}, 60_000);
