import type { IncomingMessage } from "node:http";
import { PassThrough, type Readable } from "node:stream";
import { Busboy, type BusboyHeaders } from "@fastify/busboy";
import {
  AVATAR_LIMIT,
  AvatarTooLarge,
  BadRequest,
  DependencyUnavailable,
} from "../../lib/contract/errors.ts";

/** A multipart form with one file and nothing else (SPEC 2). */

/** What a form may hold beside the file's bytes, in bytes: boundaries, headers, and what nobody reads. */
const AROUND = 2 ** 16;

/**
 * How long an answer may take once the file is there, in ms. A node that was killed and is back at once was never missed
 * by the others, and what it was asked is forgotten.
 */
const ANSWER_WITHIN = 9_000;

/**
 * Hands the form's file to `take` as a stream while it arrives, and resolves with what `take` makes of it. The stream
 * ends only when the whole form was good; a fault destroys it, so that nothing half is taken for whole. A fault is told
 * at once; what still comes of the request is thrown away.
 * @throws BadRequest for any fault of the form, AvatarTooLarge the moment the limit is passed, DependencyUnavailable where
 * `take` does not answer in time, what `take` throws
 */
export function receiveFile<Result>(
  req: IncomingMessage,
  take: (file: Readable) => Promise<Result>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const form = parseForm(req);
    const file = new PassThrough();
    let taken: Promise<Result> | undefined;
    let arrived = 0;

    const fail = (fault: Error) => {
      req.off("data", count).unpipe(form).resume();
      form.removeAllListeners().on("error", () => {});
      file.on("error", () => {}).destroy(fault);
      reject(fault);
    };
    const count = (chunk: Buffer) => {
      arrived += chunk.length;
      if (arrived > AVATAR_LIMIT + AROUND) fail(new AvatarTooLarge());
    };

    form.on("file", (field, part) => {
      part.on("error", fail);
      if (field !== "file") return fail(new BadRequest("The file must be in the field 'file'"));
      part.on("limit", () => fail(new AvatarTooLarge()));
      part.pipe(file, { end: false });
      taken = take(file);
      // a refusal waits for the form's end: the form's own faults come first (SPEC 3)
      taken.catch(() => part.unpipe(file).resume());
    });
    form.on("fieldsLimit", () => fail(new BadRequest("The form must hold a file and no other field")));
    form.on("partsLimit", () => fail(new BadRequest("The form must hold one file and nothing else")));
    form.on("error", () => fail(new BadRequest("The multipart form is malformed")));
    form.on("finish", () => {
      if (!taken) return fail(new BadRequest("The form holds no file"));
      const late = setTimeout(() => fail(new DependencyUnavailable("avatars service")), ANSWER_WITHIN);
      taken.then(resolve, reject).finally(() => clearTimeout(late));
      // a form may end before its request, which may still be cut off
      if (req.complete) file.end();
      else req.once("end", () => file.end());
    });
    req.on("close", () => req.complete || fail(new BadRequest("The request was cut off")));
    req.on("data", count).pipe(form);
  });
}

function parseForm({ headers }: IncomingMessage) {
  if (!/^multipart\/form-data\s*;/i.test(headers["content-type"] ?? ""))
    throw new BadRequest("Content-Type must be multipart/form-data, with a boundary");
  try {
    const limits = { fileSize: AVATAR_LIMIT, fields: 0, parts: 1 };
    return new Busboy({ headers: headers as BusboyHeaders, limits });
  } catch {
    throw new BadRequest("The multipart form has no boundary");
  }
}
