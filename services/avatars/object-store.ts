import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Where pictures are kept. Names are made by us alone: `<user id>/<hash>.<format>/<size>…`. */
export type ObjectStore = {
  put(name: string, bytes: Buffer): Promise<void>;
  /** The bytes, or undefined where there are none of that name. */
  get(name: string): Promise<Buffer | undefined>;
  /** Everything whose name begins with `prefix` and `/`. */
  removeAll(prefix: string): Promise<void>;
};

/** A folder of this machine: for a node that runs alone, and for development. */
export function folderStore(folder: string): ObjectStore {
  return {
    async put(name, bytes) {
      const path = join(folder, name);
      const beside = `${path}.${crypto.randomUUID()}`;
      await mkdir(dirname(path), { recursive: true });
      await writeFile(beside, bytes);
      await rename(beside, path); // whole, or not there
    },
    get: (name) =>
      readFile(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      }),
    removeAll: (prefix) => rm(join(folder, prefix), { recursive: true, force: true }),
  };
}
