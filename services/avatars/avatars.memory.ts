import { totalmem } from "node:os";
import { AVATAR_LIMIT } from "../../lib/contract/errors.ts";

/** How much memory uploads may take, so that a node with little memory refuses some instead of being killed. */
type UploadMemory = {
  /** The maximum number of uploads in progress, each of which holds its file. */
  uploads: number;
  /** What the images that are decoded at the same time may take together, in bytes. */
  image: number;
};

const MIB = 2 ** 20;
/** What a node with all services needs besides (measured). */
const REST = 260 * MIB;
/** Enough for a progressive photograph of 12 megapixels. */
const IMAGE_MIN = 40 * MIB;
/** More at once would only wait: a node decodes two images at a time. */
const UPLOADS_MAX = 64;

/** Divides the memory of a node with this limit, in bytes (docs/capacity.md): a third for files, the rest for decoding. */
export function divideMemory(limit: number): UploadMemory {
  const spare = Math.max(0, limit - REST);
  const uploads = Math.floor(spare / 3 / AVATAR_LIMIT);
  return {
    uploads: Math.min(Math.max(uploads, 2), UPLOADS_MAX),
    image: Math.max((2 * spare) / 3, IMAGE_MIN),
  };
}

/** Why a node with this limit, in bytes, cannot have avatars: a burst of uploads would end it. */
export function memoryRefusal(limit: number): string | undefined {
  if (limit >= REST + IMAGE_MIN) return undefined;
  const [has, needs] = [limit, REST + IMAGE_MIN].map((bytes) => `${Math.floor(bytes / MIB)} MiB`);
  return `The memory limit is ${has}: a node with avatars needs ${needs} at least (docs/capacity.md)`;
}

/** Of this process, in bytes. Its limit is that of its container; without one, it is the memory of the machine. */
const limit = Math.min(process.constrainedMemory() || Infinity, totalmem());

export const uploadMemory: UploadMemory = divideMemory(limit);

/** Ends the process with one line if it has too little memory for avatars. */
export function demandMemory(): void {
  const refusal = memoryRefusal(limit);
  if (!refusal) return;
  console.error(refusal);
  process.exit(1);
}
