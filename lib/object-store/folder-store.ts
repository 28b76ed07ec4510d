import { constants, createReadStream } from "node:fs";
import { access, mkdir, open, readdir, rename, rmdir, stat, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DependencyUnavailable } from "../contract/errors.ts";
import type { ObjectStore, StoredObject } from "./object-store.types.ts";

/** A local folder as an object store: for a single node and for development. */
export function folderStore(folder: string): ObjectStore {
  /** Unfinished files; object names never start with a dot. */
  const drafts = join(folder, ".drafts");
  const pathOf = (name: string) => join(folder, name);

  return {
    prepare: () =>
      orUnavailable(async () => {
        await mkdir(drafts, { recursive: true });
        for (const name of await readdir(drafts)) await removeIfOld(join(drafts, name));
        return undefined;
      }),

    check: () => orUnavailable(() => access(drafts, constants.W_OK)),

    put: (name, bytes) =>
      orUnavailable(async () => {
        const draft = join(drafts, crypto.randomUUID());
        await writeFile(draft, bytes);
        await mkdir(dirname(pathOf(name)), { recursive: true });
        await rename(draft, pathOf(name));
      }),

    get: (name) =>
      orUnavailable(async () => {
        const file = await ifThere(open(pathOf(name)));
        if (!file) return undefined;
        const { size: length } = await file.stat();
        return { body: createReadStream("", { fd: file }), length };
      }),

    list: (parent = "") => listFolder(parent),

    remove: (names) =>
      orUnavailable(async () => {
        await Promise.all(names.map((name) => ifThere(unlink(pathOf(name)))));
        for (const path of new Set(names.map((name) => dirname(pathOf(name))))) await removeEmpty(path);
      }),
  };

  /** Other folders are not read: there is one for each user. */
  async function* listFolder(parent: string): AsyncIterable<StoredObject> {
    for (const child of await namesIn(pathOf(parent))) {
      const name = parent + child;
      const found = await ifThere(stat(pathOf(name)));
      if (!found) continue; // removed in the meantime
      if (found.isFile()) yield { name, modifiedAt: found.mtime };
      else yield* listFolder(`${name}/`);
    }
  }

  /** Removes a folder below ours if it is empty, and then its parents in the same way. */
  async function removeEmpty(path: string): Promise<void> {
    try {
      for (let empty = path; empty !== folder; empty = dirname(empty)) await rmdir(empty);
    } catch {
      // not empty: another object is in it
    }
  }
}

/** Removes the draft of a process that was killed. A recent draft may still be in use by another process. */
async function removeIfOld(path: string): Promise<void> {
  const draft = await ifThere(stat(path));
  if (draft && Date.now() - draft.mtimeMs > ABANDONED) await ifThere(unlink(path));
}

const ABANDONED = 3_600_000; // ms

/** Sorted as object names: a folder sorts with its slash. */
async function namesIn(path: string): Promise<string[]> {
  const names = (await ifThere(readdir(path))) ?? [];
  return names.filter((name) => !name.startsWith(".")).toSorted((a, b) => (`${a}/` < `${b}/` ? -1 : 1));
}

const ifThere = <Value>(found: Promise<Value>): Promise<Value | undefined> =>
  found.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });

/** The disk may be full, or the folder missing. */
const orUnavailable = <Value>(work: () => Promise<Value>): Promise<Value> =>
  work().catch((cause) => {
    throw Object.assign(new DependencyUnavailable("object store"), { cause });
  });
