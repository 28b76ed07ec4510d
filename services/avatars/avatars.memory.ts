import { totalmem } from "node:os";
import { AVATAR_LIMIT } from "../../lib/contract/errors.ts";

/** How much memory uploads may take, so that a node with little memory refuses some instead of being killed. */
export type UploadMemory = {
  /** The maximum number of uploads in progress, each of which holds its file. */
  uploads: number;
  /** The maximum that a decoder may hold of one image, in bytes. */
  image: number;
};

const MIB = 2 ** 20;
/** What a node with all services needs while many files arrive and two are decoded row by row (measured). */
const REST = 360 * MIB;
/** No more than two large PNGs that are decoded row by row. Enough for a progressive photograph of 12 megapixels. */
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

/** Of this process. Its limit is that of its container; without one, it is the memory of the machine. */
export const uploadMemory: UploadMemory = divideMemory(
  Math.min(process.constrainedMemory() || Infinity, totalmem()),
);
