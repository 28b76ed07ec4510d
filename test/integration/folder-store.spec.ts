import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { folderStore } from "../../lib/object-store/folder-store.ts";
import { describeObjectStore } from "../helpers/object-store.suite.ts";

const folder = mkdtempSync(join(tmpdir(), "user-service-store-"));
afterAll(() => rmSync(folder, { recursive: true }));

describeObjectStore(() => folderStore(folder));

test("after all tests, the folder contains only the place for drafts", () => {
  expect(readdirSync(folder)).toEqual([".drafts"]);
  expect(readdirSync(join(folder, ".drafts"))).toEqual([]);
});

test("the store is unavailable if its folder is gone", async () => {
  const gone = folderStore(join(folder, "never-prepared"));
  await expect(gone.check()).rejects.toMatchObject({ type: "DEPENDENCY_UNAVAILABLE" });
  await expect(gone.put("a/b", Buffer.from("x"), "image/png")).rejects.toMatchObject({ code: 503 });
});
