import { config } from "../../lib/config/config.ts";
import { insertHints } from "./identities.hints.store.ts";
import type { Hint, HintOutcome } from "./identities.mirror.contract.ts";
import { noteSignIns } from "./identities.mirror.store.ts";

/** In ms. An event may be published before its change can be read, or before that is undone: it is read again. */
const AGAIN = 2_000;

/**
 * Takes the hints of events. A sign-in of a user is noted at once; it may be noted twice, because the latest counts.
 * Everything else is read back from Keycloak: without its admin API, there is nothing to follow.
 * @returns an outcome for each hint
 * @throws DependencyUnavailable; safe to repeat
 */
export async function receiveHints(hints: Hint[]): Promise<HintOutcome[]> {
  const isSignIn = ({ kind }: Hint) => kind === "signed-in";
  const users = await noteSignIns(hints.filter(isSignIn));
  const unknown = hints.filter((hint) => !(isSignIn(hint) && users.has(hint.keycloakId)));
  const added = config.keycloak ? await insertHints(unknown, AGAIN) : new Set(unknown.map(({ key }) => key));
  const given = new Set<string>();
  return hints.map((hint) => {
    const isNew = !unknown.includes(hint) || (added.has(hint.key) && !given.has(hint.key));
    given.add(hint.key);
    return isNew ? "applied" : "duplicate";
  });
}
