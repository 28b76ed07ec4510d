import { existsSync } from "node:fs";

/** `node cli/run.js dlq list` runs an operator command: from its source, or from the build if there are no sources. */
const [name] = process.argv.splice(2, 1);
const source = new URL(`./${name}.ts`, import.meta.url);
await import(existsSync(source) ? source : new URL(`../dist/cli/${name}.js`, import.meta.url));
