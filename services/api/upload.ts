import type { IncomingMessage, ServerResponse } from "node:http";
import { PassThrough, type Readable } from "node:stream";
import { Busboy, type BusboyFileStream, type BusboyHeaders, type BusboyInstance } from "@fastify/busboy";
import {
  AVATAR_LIMIT,
  AvatarTooLarge,
  BadRequest,
  DependencyUnavailable,
} from "../../lib/contract/errors.ts";
import { ARRIVE_WITHIN, askForBody, CLIENT_LEFT, tooLate, watchArrival } from "../../lib/http/arrival.ts";

/** An upload: a multipart form with one file and nothing else (contract 2). */

/** The maximum size of a form besides the file, in bytes: boundaries, headers, and text that nobody reads. */
const AROUND = 2 ** 16;

/**
 * How long an answer may take once the file has arrived, in ms. If a node is killed and restarts at once, the others do
 * not notice, and the restarted node does not know its earlier calls.
 */
const ANSWER_WITHIN = 9_000;

/** The maximum duration of an upload's call, in ms. */
export const UPLOAD_WITHIN = ARRIVE_WITHIN.upload.whole + ANSWER_WITHIN;

type Take<Result> = (file: Readable) => Promise<Result>;

/**
 * Passes the form's file to `take` as a stream while it arrives, and resolves with the result of `take`. The stream
 * ends only if the whole form is valid. A fault destroys the stream and is reported at once; the rest of the request is
 * ignored. If the client disconnects while it waits for the result, the stream emits CLIENT_LEFT.
 * @throws BadRequest for a fault of the form, AvatarTooLarge as soon as the limit is exceeded, RequestRefused (408) if
 * the form arrives too slowly, DependencyUnavailable if `take` does not answer in time, what `take` throws
 */
export async function receiveFile<Result>(
  req: IncomingMessage,
  res: ServerResponse,
  take: Take<Result>,
): Promise<Result> {
  return new Upload(req, res, take).result;
}

class Upload<Result> {
  readonly #req: IncomingMessage;
  readonly #take: Take<Result>;
  readonly #form: BusboyInstance;
  readonly #file = new PassThrough();
  readonly #outcome = Promise.withResolvers<Result>();
  readonly #watch: ReturnType<typeof watchArrival>;
  #taken: Promise<Result> | undefined;
  #received = 0;

  constructor(req: IncomingMessage, res: ServerResponse, take: Take<Result>) {
    this.#req = req;
    this.#take = take;
    this.#form = parseForm(req);
    askForBody(req, res, { limit: AVATAR_LIMIT + AROUND, tooLarge: () => new AvatarTooLarge() });
    this.#watch = watchArrival(ARRIVE_WITHIN.upload, () => this.#fail(tooLate()));
    this.#form
      .on("file", this.#passFile)
      .on("fieldsLimit", () => this.#fail(new BadRequest("The form must hold a file and no other field")))
      .on("partsLimit", () => this.#fail(new BadRequest("The form must hold one file and nothing else")))
      .on("error", () => this.#fail(new BadRequest("The multipart form is malformed")))
      .on("finish", this.#answer);
    req.once("close", () => req.complete || this.#leave());
    res.once("close", () => res.writableEnded || this.#leave());
    req.on("data", this.#count).pipe(this.#form);
  }

  get result(): Promise<Result> {
    return this.#outcome.promise;
  }

  readonly #count = (chunk: Buffer): void => {
    this.#watch.progress();
    this.#received += chunk.length;
    if (this.#received > AVATAR_LIMIT + AROUND) this.#fail(new AvatarTooLarge());
  };

  readonly #passFile = (field: string, part: BusboyFileStream): void => {
    part.on("error", (error) => this.#fail(error));
    if (field !== "file") {
      this.#fail(new BadRequest("The file must be in the field 'file'"));
      return;
    }
    part.on("limit", () => this.#fail(new AvatarTooLarge()));
    part.pipe(this.#file, { end: false });
    this.#taken = this.#take(this.#file);
    // a refusal is answered at the end of the form, because faults of the form come first (contract 3)
    this.#taken.catch(() => part.unpipe(this.#file).resume());
  };

  /** The form has ended, so it is valid; the request may still be cut off. */
  readonly #answer = (): void => {
    const taken = this.#taken;
    if (!taken) this.#fail(new BadRequest("The form holds no file"));
    else if (this.#req.complete) this.#end(taken);
    else this.#req.once("end", () => this.#end(taken));
  };

  #end(taken: Promise<Result>): void {
    this.#watch.stop();
    this.#file.end();
    const { resolve, reject } = this.#outcome;
    const late = setTimeout(() => {
      this.#file.emit(CLIENT_LEFT);
      reject(new DependencyUnavailable("avatars service"));
    }, ANSWER_WITHIN);
    taken.then(resolve, reject).finally(() => clearTimeout(late));
  }

  #leave(): void {
    this.#file.emit(CLIENT_LEFT);
    this.#fail(new BadRequest("The request was cut off"));
  }

  #fail(fault: Error): void {
    this.#watch.stop();
    this.#req.off("data", this.#count).unpipe(this.#form).resume();
    this.#form.removeAllListeners().on("error", () => {});
    this.#file.on("error", () => {}).destroy(fault);
    this.#outcome.reject(fault);
  }
}

function parseForm({ headers }: IncomingMessage): BusboyInstance {
  if (!/^multipart\/form-data\s*;/i.test(headers["content-type"] ?? ""))
    throw new BadRequest("Content-Type must be multipart/form-data, with a boundary");
  try {
    const limits = { fileSize: AVATAR_LIMIT, fields: 0, parts: 1 };
    return new Busboy({ headers: headers as BusboyHeaders, limits });
  } catch {
    throw new BadRequest("The multipart form has no boundary");
  }
}
