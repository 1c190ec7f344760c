import { join } from "node:path";
import { HostError } from "../host/error.ts";

/** sun_path in unix(7), without the zero at its end. A longer one would be cut off, and the socket be elsewhere. */
const PATH_MAX_BYTES = 107;

/** The control socket of the daemon of a TUN device. */
export function controlPath(runDirectory: string, tun: string): string {
  const path = join(runDirectory, `${tun}.sock`);
  const bytes = Buffer.byteLength(path);
  if (bytes > PATH_MAX_BYTES) {
    const what = `${path} has ${bytes} bytes, and the path of a socket at most ${PATH_MAX_BYTES}`;
    throw new HostError(`${what}; choose a shorter --run-dir`);
  }
  return path;
}
