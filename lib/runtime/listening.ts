/**
 * Whether this node still receives from Kafka: a consumer can go silent without an error, so only what it receives
 * proves that it works.
 */

/** What a node listens to: the packets of its cluster (its own heartbeats among them), and the consumed topics. */
type Source = "cluster" | "topics";

/** In ms. A node that received nothing from a source for this time is deaf to it. A restart of Kafka takes less. */
const DEAF_AFTER = 30_000;

const lastHeard = new Map<Source, number>();

/** Begins the supervision of a source, if it has not begun yet: until something is received, the node is deaf to it. */
export function listenTo(source: Source): void {
  if (!lastHeard.has(source)) lastHeard.set(source, -Infinity);
}

/** Notes that something was received. */
export const heard = (source: Source): unknown => lastHeard.set(source, performance.now());

/** How long a source has been silent, in ms; negative if it is not supervised. */
export const silenceOf = (source: Source): number => performance.now() - (lastHeard.get(source) ?? Infinity);

export const isDeafTo = (source: Source): boolean => silenceOf(source) > DEAF_AFTER;
