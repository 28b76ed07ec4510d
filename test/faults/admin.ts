import { config } from "../../lib/config/config.ts";
import { developmentToken } from "../../services/api/development-token.ts";

/** With these settings a node accepts the tokens that we sign, because it has the same key. */
export const OUR_TOKENS = { DATA_DIR: config.dataDir };

const token = await developmentToken({ sub: "an-admin", roles: ["admin"] }); // creates the key before a node starts

/** The headers of an administrator. */
export const ADMIN = { authorization: `Bearer ${token}` };
