import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const ROOT = join(import.meta.dirname, "../..");

/** Phrases that readers stumble over, with the plain words to use. */
const PHRASES: [phrase: RegExp, instead: string][] = [
  [/\b(tell|tells|telling|told)\b/i, "report, log, publish, return, distinguish"],
  [/\banew\b|\bmade? again\b/i, "recreate, again"],
  [/\b(is|are|was|were|stays?|stayed) away\b/i, "is unavailable"],
  [/\bwho may\b/i, "the allowed callers"],
  [/\bwhere (there (is|are)|nobody|none|no one|nothing|it (is|was) not|they are not)\b/i, "if"],
  [/\b(yet to be|is to be had|can't be had|can be had|is of no use|to no avail|in vain)\b/i, "not … yet"],
  [/\bpictures?\b/i, "avatar, image"],
  [/\bwhoever\b/i, "every caller, the one that"],
  [/\bthat (is|are) none\b|\bthat there (is|are) not\b/i, "invalid, unknown"],
];

/** Documents outside of this repository. */
const OUTSIDE = /\bSPEC(-\d)?\.md|\bSPEC(-2)? \d|\bDESIGN\.md/;

const files = globSync(
  [
    "*.{md,ts,js,json,yml}",
    "{bench,cli,contracts,docs,examples,lib,migrations,mixins,models,ops,services}/**/*.{md,ts,js,json,yml,html,css}",
    "test/**/*.{ts,cjs,sh,py,toml}",
    "{.ci,.github}/**/*",
    "{Dockerfile,.env.example}",
  ],
  { cwd: ROOT, exclude: ["package-lock.json", "test/unit/english.spec.ts"], withFileTypes: true },
)
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));

const found = (pattern: RegExp) =>
  files.flatMap((file) =>
    readFileSync(file, "utf8")
      .split("\n")
      .flatMap((line, index) =>
        pattern.test(line) ? [`${file.slice(ROOT.length + 1)}:${index + 1}: ${line.trim()}`] : [],
      ),
  );

test.each(PHRASES)("no text contains %s; use %s", (phrase) => {
  expect(found(phrase)).toEqual([]);
});

test("no text refers to a document outside of the repository", () => {
  expect(found(OUTSIDE)).toEqual([]);
});
