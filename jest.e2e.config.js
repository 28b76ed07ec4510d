import { project } from "./jest.config.js";

/** Needs the real stack; its addresses come from the environment (SPEC 8). */
export default { testTimeout: 60_000, silent: true, projects: [project("e2e")] };
