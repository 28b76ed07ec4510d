import type { Readable } from "node:stream";
import { AVATAR_LIMIT, AvatarTooLarge, DependencyUnavailable } from "../../lib/contract/errors.ts";
import { ARRIVE_WITHIN, CLIENT_LEFT, watchArrival } from "../../lib/http/arrival.ts";
import { timeStage } from "../../lib/runtime/metrics.ts";
import { uploadMemory } from "./avatars.memory.ts";
import { KeyedQueues, WorkQueue } from "./avatars.queue.ts";

/** Receives uploaded files: a bounded number at once, and only one per user is processed at a time. */

/** The maximum per user, so that slow uploads of one user cannot take all places. */
const PER_USER_MAX = 8;
/** How long a file may wait to be processed, in ms. */
const WAIT_MAX = 8_000;
/** In ms. The sending node detects a stalled upload first; if it is gone, this node does. */
const SLACK = 5_000;

const perUser = new KeyedQueues({ slots: PER_USER_MAX, waiting: 0 });
const total = new WorkQueue({ slots: uploadMemory.uploads, waiting: 0 });
const turns = new KeyedQueues({ slots: 1, waiting: PER_USER_MAX });

/** Processes a file; `signal` aborts if the caller disconnected or the file has waited for too long. */
type Process<Result> = (file: Buffer, signal: AbortSignal) => Promise<Result>;

/**
 * Reads the file, and processes it when no other upload of this user is being processed.
 * @throws AvatarTooLarge as soon as the limit is exceeded, DependencyUnavailable if there are too many uploads or the
 * stream stalls, the error of the stream, what `process` throws
 */
export async function processUpload<Result>(
  userId: string,
  stream: Readable,
  process: Process<Result>,
): Promise<Result> {
  const left = new AbortController();
  stream.once(CLIENT_LEFT, () => left.abort()).on("error", () => left.abort());
  const upload = async () => {
    const file = await timeStage("receive", readFile(stream));
    const signal = AbortSignal.any([left.signal, AbortSignal.timeout(WAIT_MAX)]);
    return turns.run(userId, () => process(file, signal), { signal });
  };
  try {
    return await perUser.run(userId, () => total.run(upload));
  } finally {
    stream.resume(); // discards the rest of a refused file, so that it does not accumulate
  }
}

async function readFile(stream: Readable): Promise<Buffer> {
  const { silence, whole } = ARRIVE_WITHIN.upload;
  const late = () => stream.destroy(new DependencyUnavailable("sender of the file"));
  const watch = watchArrival({ silence: silence + SLACK, whole: whole + SLACK }, late);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      watch.progress();
      length += chunk.length;
      if (length > AVATAR_LIMIT) throw new AvatarTooLarge();
      chunks.push(chunk);
    }
  } finally {
    watch.stop();
  }
  return Buffer.concat(chunks, length);
}
