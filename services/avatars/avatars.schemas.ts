import { flag, integer, optional, params, uuid } from "../shared/fields.ts";
import { SIZES } from "./avatars.images.ts";

/** What the actions of `avatars` take (SPEC 2). */

export const byId = params({ id: uuid() });

/** `webp`: whether the client takes that format, which is the smaller one. */
export const get = params({
  id: uuid(),
  size: { ...integer(1, 512, { convert: true }), enum: SIZES, default: 512 },
  webp: optional(flag()),
});
