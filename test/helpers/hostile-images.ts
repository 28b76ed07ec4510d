import type { HostileFile } from "./hostile-file.ts";
import { hostileJpegs } from "./hostile-jpegs.ts";
import { hostilePngs } from "./hostile-pngs.ts";
import { otherFiles } from "./other-files.ts";

/** Hostile and odd files, each with its expected outcome. */
export async function hostileImages(): Promise<HostileFile[]> {
  const groups = [await hostileJpegs(), await hostilePngs(), await otherFiles()];
  return groups.flatMap((files) => files.map(([name, outcome, bytes]) => ({ name, outcome, bytes })));
}
