/** The specs in test/NAME. They are ES modules in TypeScript; only their types are stripped. */
export const project = (name, options = {}) => ({
  displayName: name,
  testMatch: [`<rootDir>/test/${name}/**/*.spec.ts`],
  modulePathIgnorePatterns: ["<rootDir>/dist/"],
  injectGlobals: false, // specs import them from @jest/globals
  moduleNameMapper: { "^@rushstack/ts-command-line$": "<rootDir>/test/helpers/empty-module.cjs" }, // umzug loads a command line that nobody uses
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
