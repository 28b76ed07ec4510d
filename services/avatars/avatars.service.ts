import { addAbortSignal, type Readable } from "node:stream";
import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { implement } from "../../lib/contract/action.ts";
import type { Meta } from "../../lib/contract/caller.ts";
import { AVATAR_LIMIT, AvatarNotFound, AvatarTooLarge, UserNotFound } from "../../lib/contract/errors.ts";
import { uuid } from "../../lib/contract/fields.ts";
import { objectStore } from "../../lib/object-store/object-store.ts";
import { config } from "../../lib/runtime/config.ts";
import { avatarsUploaded, timeStage } from "../../lib/runtime/metrics.ts";
import { repeat, retryUntilDone } from "../../lib/runtime/tasks.ts";
import { causeOf } from "../../lib/tracing/cause.ts";
import { AccessMixin } from "../../mixins/access.mixin.ts";
import { type Change, changeUser } from "../../models/change-user.ts";
import type { UserRow } from "../../models/user.ts";
import { findUser, forgetUsers } from "../../models/user-row.ts";
import type { Envelope } from "../contracts.ts";
import { actions } from "./avatars.contract.ts";
import { makeAvatar } from "./avatars.images.ts";
import { ensurePictures, putPictures, removeAllOf, removeUnreferenced } from "./avatars.pictures.ts";
import { reconcile } from "./avatars.reconcile.ts";
import { describePicture, isFresh, keyOf, removeAvatar, replaceAvatar } from "./avatars.rules.ts";

/** How long a file may take to arrive, in ms. */
const ARRIVE_WITHIN = 30_000;
/** How often the store is compared with the users, in ms. */
const RECONCILE_EVERY = 3_600_000;
/** Between attempts to prepare the store, in ms. */
const PREPARE_BACKOFF = { first: 1_000, last: 1_000 };

type Methods = {
  afterwards(work: Promise<unknown>): Promise<void>;
  maintainStore(signal: AbortSignal): Promise<void>;
  reconcile(): Promise<void>;
};
type State = { stopping: AbortController };

/** The pictures of users (SPEC 2, 7 and 12). */
const AvatarsService: ServiceSchema<ServiceSettingSchema, Methods, State> = {
  name: "avatars",
  mixins: [AccessMixin],

  methods: {
    /** What follows a commit is no part of the answer: the reconciler mends what fails here. */
    async afterwards(work) {
      await work.catch((error: unknown) => this.logger.warn(error));
    },

    /** Until the store is prepared, the node is not ready (lib/runtime/health.ts). */
    async maintainStore(signal) {
      const onError = (error: unknown) => this.logger.warn(error);
      const prepare = () => objectStore.prepare();
      const warning = await retryUntilDone(prepare, { backoff: PREPARE_BACKOFF, signal, onError });
      if (warning) this.logger.warn(warning);
      await repeat(() => this.reconcile(), { everyMs: RECONCILE_EVERY, signal, onError });
    },

    async reconcile() {
      const findings = await reconcile();
      if (findings) this.logger.info(findings, "Pictures reconciled");
    },
  },

  actions: implement(actions, {
    /** The file comes as the call's stream. Objects first, then row and event, then the old objects go. */
    async upload(this: Methods, ctx) {
      const { id } = ctx.params;
      const avatar = await makeAvatar(await timeStage("receive", readFile(ctx.stream as Readable)));
      const key = keyOf(id, avatar);
      const avatarUrl = `${config.publicUrl}/api/v1/users/${id}/avatar?v=${avatar.hash}`;
      const fileSize = await timeStage("store", putPictures(key, avatar));
      const old = await change(ctx, (user) => replaceAvatar(user, key, avatarUrl, fileSize)).catch(
        async (error) => {
          // the user may have been deleted meanwhile; otherwise this removes only what no row refers to
          await this.afterwards(removeUnreferenced(id, key));
          throw error;
        },
      );
      if (old === key) return { avatarUrl };
      avatarsUploaded.inc();
      await this.afterwards(ensurePictures(key, avatar));
      if (old) await this.afterwards(removeUnreferenced(id, old));
      return { avatarUrl };
    },

    /** The picture is the stream that is returned, and what it is stands in the call's meta; null: the client has it. */
    async get(ctx) {
      const { id, ifNoneMatch = "" } = ctx.params;
      let missing: string | undefined;
      for (;;) {
        const user = await findUser(id);
        if (!user) throw new UserNotFound("ID", id);
        if (!user.avatarKey || user.avatarKey === missing) throw new AvatarNotFound();
        const { name, avatar } = describePicture(user.avatarKey, ctx.params);
        ctx.meta.avatar = avatar;
        if (isFresh(ifNoneMatch, avatar.etag)) return null;
        const object = await objectStore.get(name);
        if (object) {
          avatar.length = object.length;
          return object.body;
        }
        missing = user.avatarKey;
        forgetUsers([id]); // the picture may have been replaced just now, by another node too
      }
    },

    async remove(this: Methods, ctx) {
      const { id } = ctx.params;
      const old = await change(ctx, removeAvatar);
      if (old) await this.afterwards(removeUnreferenced(id, old));
      return { message: "Avatar deleted successfully" };
    },
  }),

  events: {
    /** Deleting a user erases the picture, without an event of its own. */
    "user.deleted": {
      params: { userId: uuid() }, // of an event only what is needed is checked
      handler: (ctx: Context<Envelope<"user.deleted">>) => removeAllOf(ctx.params.userId),
    },
  },

  created() {
    this.stopping = new AbortController();
  },

  started() {
    void this.maintainStore(this.stopping.signal);
  },

  stopped() {
    this.stopping.abort();
  },
};

/**
 * @throws AvatarTooLarge the moment the limit is passed; what the stream was destroyed with: where it stalls, as the
 * node that sends it may be gone, with an AbortError
 */
async function readFile(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of addAbortSignal(AbortSignal.timeout(ARRIVE_WITHIN), stream)) {
    length += chunk.length;
    if (length > AVATAR_LIMIT) throw new AvatarTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Changes the row and returns the key that it had before. */
async function change(
  ctx: Context<{ id: string }, Meta>,
  decide: (user: UserRow) => Change | undefined,
): Promise<string | null> {
  let old: string | null = null;
  await changeUser("avatars", ctx.params.id, causeOf(ctx), (user) => {
    old = user.avatarKey;
    return decide(user);
  });
  return old;
}

export default AvatarsService;
