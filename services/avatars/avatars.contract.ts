import { action } from "../../lib/contract/action.ts";
import { AvatarNotFound, AvatarTooLarge, UnsupportedImage } from "../../lib/contract/errors.ts";
import { event } from "../../lib/contract/events.ts";
import {
  anyText,
  count,
  described,
  type Field,
  flag,
  ifVersion,
  image,
  object,
  optional,
  text,
  url,
  uuid,
  withDefault,
} from "../../lib/contract/fields.ts";
import type { RuleError } from "../../lib/contract/validator.ts";

/** Avatars (contract 2, 7 and 12). */

/** The widths in pixels in which an avatar is stored; it is square. */
export const SIZES = [64, 128, 256, 512];

const id = uuid();
const ada = { id: "7c9e6679-7425-40de-944b-e07fc1f90ae7" };
const avatarUrl = `http://localhost:3003/api/v1/users/${ada.id}/avatar?v=a3f5c1d2e4b60718293a4b5c6d7e8f90`;

const size: Field<number> = {
  type: "number",
  convert: true,
  nullable: false,
  schema: { type: "integer", enum: SIZES },
  custom: (value: number, errors: RuleError[]) => {
    if (Number.isFinite(value) && !SIZES.includes(value))
      errors.push({ type: "size", message: `must be one of ${SIZES.join(", ")}` });
    return value;
  },
};

export const actions = {
  /** The file is the stream of the call. */
  upload: action({
    rest: "POST /users/:id/avatar",
    access: "owner",
    logAs: "avatar_upload",
    params: { id, ifVersion },
    result: object({ avatarUrl: url() }, "Avatar"),
    operationId: "uploadAvatar",
    summary: "Upload an avatar: JPEG or PNG, at most 5 MB",
    errors: [new AvatarTooLarge(), new UnsupportedImage()],
    example: { params: ada, result: { avatarUrl } },
  }),
  /** The image is returned as a stream. */
  get: action({
    rest: "GET /users/:id/avatar",
    access: "anyone",
    params: {
      id,
      size: withDefault(size, 512),
      webp: described("Whether the caller accepts WebP, which is the smaller format", optional(flag())),
      ifNoneMatch: described("The ETags that the caller has, as in HTTP", optional(text(1, 10_000))),
    },
    result: image(),
    operationId: "getAvatar",
    summary: "Get the avatar as a square image",
    errors: [new AvatarNotFound()],
    example: { params: { ...ada, size: 128 } },
  }),
  remove: action({
    rest: "DELETE /users/:id/avatar",
    access: "owner",
    logAs: "avatar_delete",
    params: { id, ifVersion },
    result: object({ message: anyText() }, "Message"),
    operationId: "removeAvatar",
    summary: "Delete the avatar",
    errors: [new AvatarNotFound()],
    example: { params: ada, result: { message: "Avatar deleted successfully" } },
  }),
};

export const events = {
  "user.avatar_uploaded": event({
    summary: "An avatar was uploaded or replaced; `fileSize` is the size of all its files",
    data: { avatarUrl: url(), fileSize: count() },
    example: { avatarUrl, fileSize: 48_213 },
  }),
  "user.avatar_deleted": event({
    summary: "An avatar was deleted",
    data: { fileSize: count() },
    example: { fileSize: 48_213 },
  }),
};
