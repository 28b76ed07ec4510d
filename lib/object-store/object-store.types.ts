import type { Readable } from "node:stream";

/** An object as it is listed. */
export type StoredObject = { name: string; modifiedAt: Date };

/**
 * Where bytes are kept under names, which are paths that we make. An object is there whole, or not at all.
 * Every verb throws DependencyUnavailable, within 3 s, where the store does not do it now.
 */
export type ObjectStore = {
  /** Creates the bucket or folder if it is missing and closes it to others. Resolves with a warning to log, if any. */
  prepare(): Promise<string | undefined>;
  /** Resolves where objects can be kept just now. */
  check(): Promise<void>;
  put(name: string, bytes: Buffer, contentType: string): Promise<void>;
  /** The bytes and how many there are, or undefined where there is no object of that name. */
  get(name: string): Promise<{ body: Readable; length: number } | undefined>;
  /** Those whose names begin with `prefix`, or all after `after`; in the order of their names. */
  list(from: { prefix?: string; after?: string }): AsyncIterable<StoredObject>;
  /** Removes what is there; what is not there is no fault. */
  remove(names: string[]): Promise<void>;
};
