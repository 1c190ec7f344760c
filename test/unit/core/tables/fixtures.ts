/** What the tests of the tables are made of. */
import { NONE, type NodeSlot, type PathSlot } from "../../../../src/core/base/ids.ts";
import { type PathEnds, Paths, type PathsOptions, USE_YES } from "../../../../src/core/tables/paths.ts";

export const SEED = [0x5eed, 0x1234] as const;

/** The four words of ::ffff:a.b.c.d. */
export function ip4(a: number, b: number, c: number, d: number): Int32Array {
  const bytes = new Uint8Array(16);
  bytes.set([0xff, 0xff, a, b, c, d], 10);
  return new Int32Array(bytes.buffer);
}

/** The four words of an address of up to eight groups; the rest are 0. */
export function ip6(...groups: readonly number[]): Int32Array {
  const bytes = new Uint8Array(16);
  bytes.set(groups.flatMap((group) => [group >> 8, group & 0xff]));
  return new Int32Array(bytes.buffer);
}

export function node(slot: number): NodeSlot {
  return slot as NodeSlot;
}

export function pathTable(options: Partial<PathsOptions> = {}): Paths {
  return new Paths({ capacity: 64, nodes: 4, seed: SEED, ...options });
}

export function ends(device: number, remote: number, port = 7000): PathEnds {
  return {
    socket: 10 + device,
    device: `eth${device}`,
    local: ip4(10, 0, device, 1),
    localIndex: 0,
    remote: ip4(10, 1, remote, 1),
    remoteIndex: 0,
    port,
  };
}

/** A path that works, called eth<device>-<remote>. */
export function addPath(paths: Paths, to: NodeSlot, device: number, remote = device): PathSlot {
  const slot = paths.add(to, `eth${device}-${remote}`, ends(device, remote));
  if (slot === NONE) throw new Error("no room for a path of a test");
  paths.setUse(slot, USE_YES);
  return slot;
}
