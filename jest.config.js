/** The sources run as they are: ES modules, with their types stripped. */
export const project = (name, options = {}) => ({
  displayName: name,
  testMatch: [`<rootDir>/test/${name}/**/*.spec.ts`],
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "\\.ts$": [
      "@swc/jest",
      { jsc: { parser: { syntax: "typescript" }, target: "es2024" }, module: { type: "es6" } },
    ],
  },
  ...options,
});

export default {
  testTimeout: 20_000,
  maxWorkers: 2,
  silent: true, // the service prints its welcome
  projects: [
    project("unit"),
    project("integration", {
      globalSetup: "<rootDir>/test/helpers/global-setup.ts",
      globalTeardown: "<rootDir>/test/helpers/global-teardown.ts",
    }),
  ],
};
