import type { Readable } from "node:stream";

/** An object in a listing. */
export type StoredObject = { name: string; modifiedAt: Date };

/**
 * Stores bytes under names, which are paths chosen by the service. An object is stored completely or not at all. Every
 * method throws DependencyUnavailable, within 3 s, if the store is unavailable; the message of its `cause` is the reason.
 */
export type ObjectStore = {
  /**
   * Creates the bucket or folder if it is missing, and checks that objects can be stored and read. A bucket that exists
   * keeps its settings. Resolves with a warning to log, if any.
   */
  prepare(): Promise<string | undefined>;
  /** Resolves if the store answers. */
  check(): Promise<void>;
  put(name: string, bytes: Buffer, contentType: string): Promise<void>;
  /** The bytes and their number, or undefined if there is no object with that name. */
  get(name: string): Promise<{ body: Readable; length: number } | undefined>;
  /** The objects whose names start with `parent`, which ends with a slash, or all; in the order of their names. */
  list(parent?: string): AsyncIterable<StoredObject>;
  /** Removes objects. A missing one is no error. */
  remove(names: string[]): Promise<void>;
};
