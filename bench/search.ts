import { progress } from "../cli/progress.ts";
import type { Server } from "./servers.ts";
import type { Measurement } from "./statistics.ts";
import { adminBearer } from "./tokens.ts";

/** The search terms: typical ones, and the worst case for a trigram index. */
const searches = (email: string): Record<string, string> => ({
  "one user's whole e-mail": email,
  "a name, many hits": "anna",
  "no hit": "zzyzx",
  "every user": "example",
  "no hit, made of frequent parts": "example anna",
  "no hit, too short for the index": "qz",
});

/** The database ends a search after this time, and the answer is 503; in ms. */
const LIMIT = 3_000;

/** Searches for a part of a name among very many users: the time cannot be constant, but must be bounded. */
export async function search({ url }: Server, email: string, times: number): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const [what, text] of Object.entries(searches(email))) {
    progress(`search: ${what}`);
    const ours: number[] = [];
    for (let i = 0; i < times; i++)
      ours.push(await timeOf(`${url}/api/v1/users?search=${encodeURIComponent(text)}`));
    measurements.push({ name: `Search: ${what} ("${text}")`, unit: "ms", ours, target: { atMost: LIMIT } });
  }
  return measurements;
}

/** In ms; infinite if the answer was an error. */
async function timeOf(url: string): Promise<number> {
  const headers = await adminBearer();
  const start = performance.now();
  const answer = await fetch(url, { headers });
  await answer.text();
  return answer.ok ? performance.now() - start : Number.POSITIVE_INFINITY;
}
