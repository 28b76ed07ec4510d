import { readdirSync, readFileSync } from "node:fs";

/** Prints `N passed, N failed` for jest's result files in a folder. A failed step without a failed test counts as one. */
const [folder, ...failedSteps] = process.argv.slice(2);
const suites = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => ({
    name: file.replace(".json", ""),
    ...JSON.parse(readFileSync(`${folder}/${file}`, "utf8")),
  }));
const failedIn = ({ numFailedTests, numRuntimeErrorTestSuites }) =>
  numFailedTests + numRuntimeErrorTestSuites;
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const counted = suites.filter((suite) => failedIn(suite) > 0).map(({ name }) => name);
const failed = sum(suites.map(failedIn)) + failedSteps.filter((name) => !counted.includes(name)).length;
console.log(`${sum(suites.map(({ numPassedTests }) => numPassedTests))} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
