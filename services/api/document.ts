import { pipeline } from "node:stream/promises";
import { call } from "../../lib/contract/call.ts";
import type { Handler } from "./gateway.types.ts";

/** In ms. The client may be slow, and the node that sends the stream may have died. */
const SEND_WITHIN = 300_000;

/** Sends the export of a user while it is read (contract 25). If that fails, the connection is closed. */
export const sendExport: Handler = (req, res, next) => {
  call(req.$ctx, "users.export", req.$params as { id: string }).then((document) => {
    res.setHeader("Content-Type", "application/json; charset=utf-8");
    res.setHeader("Content-Disposition", 'attachment; filename="user.json"');
    res.setHeader("Cache-Control", "no-store");
    if (req.method !== "HEAD")
      return pipeline(document, res, { signal: AbortSignal.timeout(SEND_WITHIN) }).catch(
        () => void res.destroy(),
      );
    document.destroy();
    res.end();
  }, next);
};
