import { config } from "../../lib/runtime/config.ts";
import { developmentToken } from "../../services/api/development-token.ts";

/** With these settings a node accepts our tokens: it has the same key. */
export const OUR_TOKENS = { DATA_DIR: config.dataDir };

/** The headers of an administrator. */
export const asAdmin = async (): Promise<Record<string, string>> => ({
  authorization: `Bearer ${await developmentToken({ sub: "an-admin", roles: ["admin"] })}`,
});
