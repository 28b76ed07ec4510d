import { DependencyUnavailable } from "../contract/errors.ts";

/** What the credentials must be allowed to do (docs/configuration.md), and what does not work if they are not. */
const RIGHTS = {
  "s3:PutObject": "no avatar can be uploaded",
  "s3:GetObject": "no avatar can be shown",
  "s3:DeleteObject": "replaced and deleted avatars stay in the store",
  "s3:ListBucket": "what a crash leaves in the store stays there, and each upload is stored twice",
  "s3:CreateBucket": "the bucket is missing and has to be created by an administrator",
};
export type Right = keyof typeof RIGHTS;

/** An error of an S3 server. Some servers name their region in it, for example if a request is signed for another. */
export type S3Error = Error & { code?: string; region?: string };

/** The store refused a request because the credentials may not make it. */
export class MissingRight extends Error {
  constructor(right: Right, cause: S3Error) {
    super(`The credentials lack the right ${right}: ${RIGHTS[right]}`, { cause });
  }
}

/**
 * The error for callers. No error of the store is the caller's fault: wrong credentials, a missing bucket or right, a
 * full disk, a server that hangs. `cause.message` is the reason, for the operator.
 */
export function storeUnavailable(right: Right, cause: S3Error): DependencyUnavailable {
  const reason = cause.code === "AccessDenied" ? new MissingRight(right, cause) : cause;
  return Object.assign(new DependencyUnavailable("object store"), { cause: reason });
}
