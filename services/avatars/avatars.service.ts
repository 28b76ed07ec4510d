import type { Readable } from "node:stream";
import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { implement } from "../../lib/contract/action.ts";
import { uuid } from "../../lib/contract/fields.ts";
import { objectStore } from "../../lib/object-store/object-store.ts";
import { repeat, retryUntilDone } from "../../lib/runtime/tasks.ts";
import { AccessMixin } from "../../mixins/access.mixin.ts";
import type { Envelope } from "../contracts.ts";
import { changeAvatar, type Follow, storeAvatar } from "./avatars.changes.ts";
import { actions } from "./avatars.contract.ts";
import { makeAvatar } from "./avatars.images.ts";
import { removeAllOf } from "./avatars.objects.ts";
import { reconcile } from "./avatars.reconcile.ts";
import { removeAvatar } from "./avatars.rules.ts";
import { serveAvatar } from "./avatars.serving.ts";
import { processUpload } from "./avatars.uploads.ts";

/** How often the store is compared with the users, in ms. */
const RECONCILE_EVERY = 3_600_000;
/** The delay between attempts to prepare the store, in ms. */
const PREPARE_BACKOFF = { first: 1_000, last: 1_000 };

type Methods = {
  afterwards: Follow;
  maintainStore(signal: AbortSignal): Promise<void>;
  reconcile(): Promise<void>;
};
type State = { stopping: AbortController };

/** The avatars of users (contract 2, 7 and 12). */
const AvatarsService: ServiceSchema<ServiceSettingSchema, Methods, State> = {
  name: "avatars",
  mixins: [AccessMixin],

  methods: {
    /** Work after the commit. Its failure does not fail the request, because the reconciliation repairs the store. */
    async afterwards(work) {
      await work.catch((error: unknown) => this.logger.warn(error));
    },

    /** Prepares the store, then reconciles it regularly. The node is not ready until then (lib/runtime/health.ts). */
    async maintainStore(signal) {
      const onError = (error: unknown) => this.logger.warn(error);
      const prepare = () => objectStore.prepare();
      const warning = await retryUntilDone(prepare, { backoff: PREPARE_BACKOFF, signal, onError });
      if (warning) this.logger.warn(warning);
      await repeat(() => this.reconcile(), { everyMs: RECONCILE_EVERY, signal, onError });
    },

    async reconcile() {
      const findings = await reconcile();
      if (findings) this.logger.info(findings, "Object store reconciled");
    },
  },

  actions: implement(actions, {
    upload(this: Methods, ctx) {
      return processUpload(ctx.params.id, ctx.stream as Readable, async (file, signal) => {
        const avatar = await makeAvatar(file, signal);
        return storeAvatar(ctx, avatar, this.afterwards);
      });
    },

    /** The image is returned as a stream and described in the call's meta; null if the caller already has it. */
    async get(ctx) {
      const { image, avatar } = await serveAvatar(ctx.params);
      ctx.meta.avatar = avatar;
      return image;
    },

    async remove(this: Methods, ctx) {
      await changeAvatar(ctx, removeAvatar, this.afterwards);
      return { message: "Avatar deleted successfully" };
    },
  }),

  events: {
    /** Deleting a user erases the avatar, without an event for that. */
    "user.deleted": {
      params: { userId: uuid() }, // only the fields that are needed are validated
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

export default AvatarsService;
