import { project, withDatabase } from "./jest.config.js";

/** Real time limits, kill rounds, hundreds of hostile files, and the built package: for CI. */
export default { testTimeout: 60_000, maxWorkers: 2, projects: [project("slow", withDatabase)] };
