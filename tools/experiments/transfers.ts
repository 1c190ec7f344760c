import type { Run, RunOptions } from "./experiment.ts";
import { upNetwork } from "./network.ts";
import type { Profile } from "./profiles.ts";
import { transferOver } from "./transfer.ts";
import { turns } from "./turns.ts";
import { mpipWay, mptcpWay, singleWay, type Way } from "./ways.ts";

/** One transfer after the other over each of the ways, and that again and again, over each of the profiles. */
export async function measureTransfers(
  experiment: string,
  profiles: readonly Profile[],
  options: RunOptions,
  record: (run: Run) => void,
  waysOf: (profile: Profile, options: RunOptions) => readonly Way[] = standardWays,
): Promise<void> {
  for (const profile of profiles.filter(({ name }) => options.conditions.includes(name))) {
    await using network = await upNetwork(profile.lines);
    for (const { way, congestion, repeat } of turns(waysOf(profile, options), options)) {
      const measured = await transferOver(network, way, { ...options, congestion });
      record({ experiment, condition: profile.name, way: way.name, repeat, ...measured });
    }
  }
}

/** Each line alone, MPTCP, and all that is asked for of mpip, in the order in which they take turns. */
export function standardWays({ lines }: Profile, { variants }: RunOptions): Way[] {
  return [...lines.map((_, i) => singleWay(i)), mptcpWay, ...variants.map(mpipWay)];
}
