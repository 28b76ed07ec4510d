import { project, withDatabase } from "./jest.config.js";

/** Nodes and commands as processes of their own, real time limits, hundreds of hostile files, the built package. */
export default { testTimeout: 60_000, maxWorkers: 2, projects: [project("slow", withDatabase)] };
