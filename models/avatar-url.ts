import { config } from "../lib/config/config.ts";

const PATH = "/api/v1/users/";

/** The `avatarUrl` of a user whose avatar has this hash (contract 2). */
export const avatarUrlOf = (userId: string, hash: string): string =>
  `${config.publicUrl}${PATH}${userId}/avatar?v=${hash}`;

/** A stored `avatarUrl` as it is shown: it begins with the PUBLIC_URL of today, not with the one of the upload. */
export const shownUrl = (stored: string | null): string | null =>
  stored && config.publicUrl + stored.slice(stored.lastIndexOf(PATH));
