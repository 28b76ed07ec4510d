import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { AccessMixin } from "../../mixins/access.mixin.ts";
import type { UserRow } from "../../models/user.ts";
import { changeUser, findUser } from "../../models/user-row.ts";
import type { Meta } from "../shared/caller.ts";
import { config } from "../shared/config.ts";
import type { Actions, AvatarImage, Envelope } from "../shared/contracts.ts";
import { AVATAR_LIMIT, AvatarNotFound, AvatarTooLarge, UserNotFound } from "../shared/errors.ts";
import { causeOf } from "../shared/events.ts";
import { avatarsUploaded } from "../shared/metrics.ts";
import { type Avatar, makeAvatar } from "./avatars.images.ts";
import { keyOf, objectName, partsOf, removeAvatar, replaceAvatar } from "./avatars.rules.ts";
import * as schemas from "./avatars.schemas.ts";
import { folderStore } from "./object-store.ts";

type Ctx<Name extends keyof Actions> = Context<Actions[Name]["params"], Meta>;

const store = folderStore(join(config.dataDir, "avatars"));

/** The pictures of users (SPEC 2, 7 and 12). */
const AvatarsService: ServiceSchema<ServiceSettingSchema, object, object> = {
  name: "avatars",
  mixins: [AccessMixin],

  actions: {
    /** The file comes as the call's stream. Objects first, then row and event, then the old objects go. */
    upload: {
      access: "owner",
      logAs: "avatar_upload",
      params: schemas.byId,
      async handler(ctx: Ctx<"avatars.upload">): Promise<{ avatarUrl: string }> {
        const { id } = ctx.params;
        const avatar = await makeAvatar(await readFile(ctx.stream as Readable));
        const key = keyOf(id, avatar);
        const fileSize = await putPictures(key, avatar);
        const avatarUrl = `${config.publicUrl}/api/v1/users/${id}/avatar?v=${avatar.hash}`;
        const old = await change(ctx, (user) => replaceAvatar(user, key, avatarUrl, fileSize));
        if (old === key) return { avatarUrl };
        avatarsUploaded.inc();
        if (old) await store.removeAll(old);
        return { avatarUrl };
      },
    },

    get: {
      access: "anyone",
      params: schemas.get,
      async handler(ctx: Ctx<"avatars.get">): Promise<AvatarImage> {
        const { id, size = 512, webp } = ctx.params;
        const user = await findUser(id);
        if (!user) throw new UserNotFound("ID", id);
        if (!user.avatarKey) throw new AvatarNotFound();
        const { version, fallback } = partsOf(user.avatarKey);
        const format = webp ? "webp" : fallback;
        const body = await store.get(objectName(user.avatarKey, size, format));
        if (!body) throw new AvatarNotFound();
        return { body, contentType: `image/${format}`, etag: `"${version}-${size}-${format}"`, version };
      },
    },

    remove: {
      access: "owner",
      logAs: "avatar_delete",
      params: schemas.byId,
      async handler(ctx: Ctx<"avatars.remove">): Promise<{ message: string }> {
        const old = await change(ctx, removeAvatar);
        if (old) await store.removeAll(old);
        return { message: "Avatar deleted successfully" };
      },
    },
  },

  events: {
    /** Deleting a user erases the picture, without an event of its own. */
    "user.deleted": {
      params: schemas.deletion,
      handler: (ctx: Context<Envelope<"user.deleted">>) => store.removeAll(ctx.params.userId),
    },
  },
};

/** @throws AvatarTooLarge the moment the limit is passed; what the stream was destroyed with */
async function readFile(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > AVATAR_LIMIT) throw new AvatarTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Stores every size; returns the bytes they take together. */
async function putPictures(key: string, { pictures }: Avatar): Promise<number> {
  await Promise.all(
    pictures.map(({ size, format, bytes }) => store.put(objectName(key, size, format), bytes)),
  );
  return pictures.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** Changes the row and returns the key that it had before. */
async function change(
  ctx: Context<{ id: string }, Meta>,
  decide: (user: UserRow) => ReturnType<typeof replaceAvatar>,
): Promise<string | null> {
  let old: string | null = null;
  await changeUser("avatars", ctx.params.id, causeOf(ctx), (user) => {
    old = user.avatarKey;
    return decide(user);
  });
  return old;
}

export default AvatarsService;
