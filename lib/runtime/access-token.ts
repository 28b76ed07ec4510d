/** Where a client gets its tokens, its id and its secret. */
type Client = { tokenUrl?: string; username: string; password: string };

type Answer = { access_token?: string; expires_in?: number };

/** In ms: how long the token endpoint may take. */
const ANSWER_WITHIN = 3_000;
/** A token is used for this share of its life. */
const USED = 0.8;

/**
 * Access tokens of a client (OAuth 2.0 client credentials, RFC 6749, 4.4).
 *
 * @param name of the endpoint, for the error
 * @returns gets a token that has not expired; rejects if the endpoint does not give one
 */
export function createTokenSource(
  name: string,
  { tokenUrl = "", username, password }: Client,
): () => Promise<string> {
  let known: { token: string; until: number } | undefined;
  return async () => {
    if (known && performance.now() < known.until) return known.token;
    const answer = await fetch(tokenUrl, {
      method: "POST",
      headers: { authorization: `Basic ${btoa([username, password].map(encodeURIComponent).join(":"))}` },
      body: new URLSearchParams({ grant_type: "client_credentials" }),
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
    const { access_token: token, expires_in: seconds = 0 } = answer.ok
      ? ((await answer.json()) as Answer)
      : {};
    if (!token) throw new Error(`${name} gave no token: status ${answer.status}`);
    known = { token, until: performance.now() + seconds * 1_000 * USED };
    return token;
  };
}
