import { project } from "./jest.config.js";

/** Needs the real servers (test/servers.sh); their addresses come from the environment. */
export default { testTimeout: 60_000, projects: [project("e2e")] };
