/** Whether this node still hears Kafka: a consumer can fall silent without an error, and only what comes in proves that it lives. */

/** What a node listens to: the packets of its cluster (its own heartbeats are among them), the neighbours' topics. */
type Source = "cluster" | "topics";

/** A node that heard nothing of a source for so long is deaf, in ms. A restart of Kafka takes less. */
const DEAF_AFTER = 30_000;

const lastHeard = new Map<Source, number>();

/** Something came from there just now; the first time also says that it is to be heard from now on. */
export const heard = (source: Source): unknown => lastHeard.set(source, performance.now());

/** How long nothing was heard of a source, in ms; below 0 where nothing is to be heard. */
export const silenceOf = (source: Source): number => performance.now() - (lastHeard.get(source) ?? Infinity);

export const isDeaf = (): boolean => [...lastHeard.keys()].some((source) => silenceOf(source) > DEAF_AFTER);
