const sources = {
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "\\.ts$": [
      "@swc/jest",
      { jsc: { parser: { syntax: "typescript" }, target: "es2024" }, module: { type: "es6" } },
    ],
  },
};

const project = (name, options = {}) => ({
  displayName: name,
  testMatch: [`<rootDir>/test/${name}/**/*.spec.ts`],
  ...sources,
  ...options,
});

export default {
  testTimeout: 20_000,
  projects: [
    project("unit"),
    project("integration", { globalSetup: "<rootDir>/test/helpers/global-setup.ts" }),
    project("e2e"),
  ],
};
