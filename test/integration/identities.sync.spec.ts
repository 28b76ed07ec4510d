import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type Mirrored, startMirrored } from "../helpers/mirrored.ts";

/** Contract 27: the commands `check` and `sync`, and the sweep of everybody on several nodes. */

const NONE = { missing: 0, gone: 0, name: 0, email: 0, status: 0 };

let mirror: Mirrored;
beforeAll(async () => {
  mirror = await startMirrored();
});
afterAll(async () => {
  await mirror?.service.stop();
  await mirror?.keycloak.stop();
});

test("sync leaves nothing that can end: an e-mail is handed on through a chain of users", async () => {
  const chain = [];
  for (let n = 0; n < 12; n++) chain.push(await mirror.mirrored());
  const emails = [...chain.slice(1).map(({ account }) => account.email), "last@example.com"];
  for (const [index, { account }] of chain.entries()) account.email = emails[index];
  expect((await mirror.sync()).left).toEqual(NONE);
  for (const { account } of chain)
    expect(await mirror.userOf(account)).toMatchObject({ email: account.email });
});

test("sync ends although a difference stays, and reports it", async () => {
  const [one, other] = [await mirror.mirrored(), await mirror.mirrored()];
  [one.account.email, other.account.email] = [other.account.email, one.account.email];
  expect((await mirror.sync()).left).toEqual({ ...NONE, email: 2 });
  one.account.email = "third@example.com";
  expect((await mirror.sync()).left).toEqual(NONE);
});
