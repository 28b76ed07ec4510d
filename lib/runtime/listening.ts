/**
 * Whether this node still receives from Kafka: a consumer can go silent without an error, so only what it receives
 * proves that it works.
 */

/** What a node listens to: the packets of its cluster (its own heartbeats among them), and the consumed topics. */
type Source = "cluster" | "topics";

/** In ms. A node that received nothing from a source for this time is deaf to it. A restart of Kafka takes less. */
const DEAF_AFTER = 30_000;

const lastHeard = new Map<Source, number>();

/** Notes that something was received. The first call starts the supervision of the source. */
export const heard = (source: Source): unknown => lastHeard.set(source, performance.now());

/** How long a source has been silent, in ms; negative if it is not supervised. */
export const silenceOf = (source: Source): number => performance.now() - (lastHeard.get(source) ?? Infinity);

export const isDeafTo = (source: Source): boolean => silenceOf(source) > DEAF_AFTER;
