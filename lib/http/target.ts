/** The target of a request (RFC 9112, 3.2). */

/** Converts a target to the origin form: a client that takes the service for a proxy sends the absolute form. */
export function toOriginForm(target: string): string {
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/is.exec(target) ?? [];
  if (rest === undefined) return target;
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** The maximum length of the path in the answer to a request that could not be parsed, in characters. */
const LONGEST = 2_000;

/** The path in a packet that starts with a request line, without the query; `""` if there is none. */
export function pathIn(packet: Buffer = Buffer.alloc(0)): string {
  const [, target = ""] = /^[A-Z]+ ([^\s?#]+)/i.exec(packet.toString("latin1", 0, LONGEST)) ?? [];
  return toOriginForm(target);
}
