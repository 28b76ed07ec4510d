/** The target of a request (RFC 9112, 3.2). */

/** The origin form of a target: a client that takes the service for a proxy sends the absolute form. */
export function toOriginForm(target: string): string {
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/is.exec(target) ?? [];
  if (rest === undefined) return target;
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** The longest path that is repeated in the answer to a request that could not be parsed, in characters. */
const LONGEST = 2_000;

/** The path in a packet that begins with a request line, without the query; `""` if it does not. */
export function pathIn(packet: Buffer = Buffer.alloc(0)): string {
  const [, target = ""] = /^[A-Z]+ ([^\s?#]+)/i.exec(packet.toString("latin1", 0, LONGEST)) ?? [];
  return toOriginForm(target);
}
