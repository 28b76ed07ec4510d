import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { createTokenSource } from "../../lib/runtime/access-token.ts";

/** The token endpoint of an identity provider. */
let answer: { status: number; body: object };
const requests: { headers: IncomingMessage["headers"]; body: string }[] = [];
const server = createServer(async (req, res) => {
  let body = "";
  for await (const chunk of req) body += chunk;
  requests.push({ headers: req.headers, body });
  res.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body));
});

beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
beforeEach(() => void requests.splice(0));
afterAll(() => new Promise((resolve) => server.close(resolve)));

const source = () =>
  createTokenSource("KAFKA_SASL_TOKEN_URL", {
    username: "kafka:client",
    password: "p w",
    tokenUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
  });

test("a token is fetched with the client's credentials, and used until it is about to expire", async () => {
  answer = { status: 200, body: { access_token: "abc", expires_in: 300 } };
  const token = source();
  expect([await token(), await token()]).toEqual(["abc", "abc"]);
  expect(requests).toHaveLength(1);
  expect(requests[0]?.body).toBe("grant_type=client_credentials");
  expect(requests[0]?.headers.authorization).toBe(`Basic ${btoa("kafka%3Aclient:p%20w")}`);
});

test("a token without expires_in is fetched again for each use", async () => {
  answer = { status: 200, body: { access_token: "abc" } };
  const token = source();
  await token();
  await token();
  expect(requests).toHaveLength(2);
});

test.each([
  { what: "refuses the client", status: 401, body: { error: "invalid_client" } },
  { what: "answers without a token", status: 200, body: {} },
])(
  "if the endpoint $what, the error names the variable, and the next use asks again",
  async ({ status, body }) => {
    answer = { status, body };
    const token = source();
    await expect(token()).rejects.toThrow(`KAFKA_SASL_TOKEN_URL gave no token: status ${status}`);
    answer = { status: 200, body: { access_token: "later", expires_in: 300 } };
    expect(await token()).toBe("later");
  },
);
