import type { Readable } from "node:stream";
import type { Context, ServiceSchema, ServiceSettingSchema } from "moleculer";
import { implement } from "../../lib/contract/action.ts";
import { DependencyUnavailable } from "../../lib/contract/errors.ts";
import { uuid } from "../../lib/contract/fields.ts";
import { objectStore } from "../../lib/object-store/object-store.ts";
import { noteStore } from "../../lib/runtime/health.ts";
import { repeat, retryUntilDone, within } from "../../lib/runtime/tasks.ts";
import { AccessMixin } from "../../mixins/access.mixin.ts";
import type { Envelope } from "../contracts.ts";
import { changeAvatar, type Follow, storeAvatar } from "./avatars.changes.ts";
import { actions } from "./avatars.contract.ts";
import { makeAvatar } from "./avatars.images.ts";
import { demandMemory } from "./avatars.memory.ts";
import { removeAllOf, removeAvatarOf } from "./avatars.objects.ts";
import { reconcile } from "./avatars.reconcile.ts";
import { removeAvatar } from "./avatars.rules.ts";
import { serveAvatar } from "./avatars.serving.ts";
import { processUpload } from "./avatars.uploads.ts";

/** How often the store is checked and compared with the users, in ms. */
const EVERY = { check: 5_000, reconcile: 3_600_000 };
/** The delay between attempts to prepare the store, and how long the start waits for it, in ms. */
const PREPARE = { backoff: { first: 1_000, last: 5_000 }, within: 3_000 };

type Methods = {
  afterwards: Follow;
  prepareStore(signal: AbortSignal): Promise<void>;
  maintainStore(signal: AbortSignal): Promise<void>;
  checkStore(): Promise<void>;
  reconcile(): Promise<void>;
};
type State = { stopping: AbortController };

/** One line that says why a dependency is unavailable; any other error as it is. */
function reasonOf(error: unknown): unknown {
  if (!(error instanceof DependencyUnavailable)) return error;
  const { message, code } = (error.cause ?? {}) as { message?: string; code?: string };
  return `${error.message}: ${message || code}`;
}

/** The avatars of users (contract 2, 7 and 12). */
const AvatarsService: ServiceSchema<ServiceSettingSchema, Methods, State> = {
  name: "avatars",
  mixins: [AccessMixin],

  methods: {
    /** Work after the commit. Its failure does not fail the request, because the reconciliation repairs the store. */
    async afterwards(work) {
      await work.catch((error: unknown) => this.logger.warn(reasonOf(error)));
    },

    /** Retries until the store is prepared. A reason that stays the same is logged once. */
    async prepareStore(signal) {
      let last: unknown;
      const onError = (error: unknown) => {
        noteStore(false);
        const reason = reasonOf(error);
        if (reason !== last) this.logger.warn(reason);
        last = reason;
      };
      const prepare = () => objectStore.prepare();
      const warning = await retryUntilDone(prepare, { backoff: PREPARE.backoff, signal, onError });
      if (warning) this.logger.warn(warning);
    },

    /** Checks and reconciles the store regularly. */
    async maintainStore(signal) {
      const onError = (error: unknown) => this.logger.warn(reasonOf(error));
      await Promise.all([
        repeat(() => this.checkStore(), { everyMs: EVERY.check, signal, onError }),
        repeat(() => this.reconcile(), { everyMs: EVERY.reconcile, signal, onError }),
      ]);
    },

    async checkStore() {
      const error = await objectStore.check().then(
        () => undefined,
        (error: unknown) => error,
      );
      if (!noteStore(!error)) return;
      if (error) this.logger.warn(reasonOf(error));
      else this.logger.info("The object store is available again");
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
      handler: (ctx: Context<Envelope<"user.deleted">>) => removeAvatarOf(ctx.params.userId),
    },
    /** The row no longer has the name of the avatar. */
    "user.erased": {
      params: { userId: uuid() },
      handler: (ctx: Context<Envelope<"user.erased">>) => removeAllOf(ctx.params.userId),
    },
  },

  created() {
    demandMemory();
    this.stopping = new AbortController();
  },

  /** Waits a moment for the store, so that avatars work as soon as the node is ready. */
  async started() {
    const { signal } = this.stopping;
    const prepared = this.prepareStore(signal);
    void prepared.then(() => this.maintainStore(signal));
    await within(PREPARE.within, prepared);
  },

  stopped() {
    this.stopping.abort();
  },
};

export default AvatarsService;
