import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../../helpers/process.ts";
import { checkHistory } from "../history.ts";
import { firstOnes, verify } from "../verify.ts";
import type { World } from "../world.ts";
import { addPairs, restartEach, underLoad } from "./rolling.ts";
import type { Scenario } from "./scenario.ts";

/**
 * An upgrade from the version before the last migration, and back, without a failed request: the migrations run while
 * only nodes of the earlier version run, then one node after the other is restarted as this version, as the earlier one,
 * and as this one. Both versions share a cluster and call each other meanwhile. Gap: the slowest answer.
 */
export const upgrade: Scenario = {
  rounds: () => 1,
  limit: 10_000,
  servers: [],

  async play(world) {
    const earlier = await checkOutEarlier();
    try {
      await addPairs(world);
      await world.startAll(earlier.folder);
      await underLoad(world, async () => {
        world.ledger.fault = "migrations";
        await migrate(world);
        for (const root of [ROOT, earlier.folder, ROOT]) await restartEach(world, root);
      });
    } finally {
      await earlier.remove();
    }
    const verdict = await verify(world);
    const events = firstOnes(await world.topics.read("user-events"));
    const entries = await checkHistory(world, events, (fault, detail) => {
      verdict[fault]++;
      verdict.details.push(`${fault}: ${detail}`);
    });
    verdict.details.push(`from ${earlier.commit} and back; ${entries} entries of the history`);
    return verdict;
  },
};

async function run(program: string, words: string[], env = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(program, words, {
    cwd: ROOT,
    env: { ...process.env, ...env },
  });
  return stdout.trim();
}

const migrate = ({ env }: World) => run("npm", ["run", "--silent", "migration:run"], env);

/** @throws Error if this clone has no history */
async function checkOutEarlier(): Promise<{ folder: string; commit: string; remove(): Promise<void> }> {
  const git = (...words: string[]) => run("git", words);
  const commit = await git("log", "-1", "--diff-filter=A", "--format=%p", "--", "migrations/*.*.ts");
  if (!commit)
    throw new Error("There is no earlier version: this clone has no history (git fetch --unshallow)");
  const folder = join(await mkdtemp(join(tmpdir(), "user-service-earlier-")), commit);
  await git("worktree", "add", "--detach", folder, commit);
  const hasOurPackages = await git("diff", "--quiet", commit, "--", "package-lock.json").then(
    () => true,
    () => false,
  );
  if (hasOurPackages) await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  else await run("npm", ["ci", "--prefix", folder]);
  return {
    folder,
    commit,
    async remove() {
      await git("worktree", "remove", "--force", folder);
      await rm(join(folder, ".."), { recursive: true });
    },
  };
}
