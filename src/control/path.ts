import { join } from "node:path";

/** The control socket of the daemon of a TUN device. */
export function controlPath(runDirectory: string, tun: string): string {
  return join(runDirectory, `${tun}.sock`);
}
