/** Packages that others load although no test needs them. Each test file would compile them again. */
const NEVER_USED = ["@rushstack/ts-command-line", "@opentelemetry/api", "validator"];

/** The specs in test/NAME. They are ES modules in TypeScript; only their types are stripped. */
export const project = (name, options = {}) => ({
  displayName: name,
  testMatch: [`<rootDir>/test/${name}/**/*.spec.ts`],
  modulePathIgnorePatterns: ["<rootDir>/dist/"],
  injectGlobals: false, // specs import them from @jest/globals
  moduleNameMapper: { [`^(${NEVER_USED.join("|")})$`]: "<rootDir>/test/helpers/empty-module.cjs" },
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "\\.ts$": [
      "@swc/jest",
      { jsc: { parser: { syntax: "typescript" }, target: "es2024" }, module: { type: "es6" } },
    ],
  },
  ...options,
});

/** One PostgreSQL for the whole run, started by the tests themselves. */
export const withDatabase = {
  globalSetup: "<rootDir>/test/helpers/global-setup.ts",
  globalTeardown: "<rootDir>/test/helpers/global-teardown.ts",
};

export default {
  testTimeout: 60_000, // generous: what must be fast has its own limit
  maxWorkers: 2,
  projects: [project("unit"), project("integration", withDatabase)],
};
