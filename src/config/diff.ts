import { isDeepStrictEqual } from "node:util";
import type { Config } from "./parse.ts";

/** What is fixed when the daemon starts. */
const FIXED: readonly { key: string; of: (config: Config) => unknown }[] = [
  { key: "name", of: (config) => config.name },
  { key: "node", of: (config) => config.node },
  { key: "port", of: (config) => config.port },
  { key: "tun.name", of: (config) => config.tun.name },
  { key: "scheduler", of: (config) => config.scheduler },
  { key: "algorithm1", of: (config) => config.algorithm1 },
  { key: "wire", of: (config) => config.wire },
  { key: "offloads", of: (config) => config.offloads },
];

/** What differs between two configurations and has an effect only after a restart. */
export function needsRestart(running: Config, wanted: Config): string[] {
  return FIXED.filter(({ of }) => !isDeepStrictEqual(of(running), of(wanted))).map(({ key }) => key);
}

/** The wanted configuration as far as it can be had without a restart. */
export function withoutRestart(running: Config, wanted: Config): Config {
  const { name, node, port, scheduler, algorithm1, wire, offloads } = running;
  const tun = { ...wanted.tun, name: running.tun.name };
  return { ...wanted, name, node, port, scheduler, algorithm1, wire, offloads, tun };
}
