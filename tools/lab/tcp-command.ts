import { packageRoot } from "../../src/cli/package.ts";
import { builtFile } from "./own-files.ts";
import { requireTools } from "./requirements.ts";

/** What the TCP sockets of a program are to be, which itself has no option for it. */
export interface TcpChoice {
  /** They ask for MPTCP. */
  mptcp?: boolean;
  congestion?: string;
}

/** The command with which a program runs so. */
export function tcpCommand(argv: readonly string[], { mptcp, congestion }: TcpChoice): [string, ...string[]] {
  const command = [...argv];
  if (congestion !== undefined) {
    const library = builtFile(packageRoot(), "make -C tools/preload", "tools", "preload", "libcongestion.so");
    const preload = `LD_PRELOAD="$0\${LD_PRELOAD:+:$LD_PRELOAD}" CONGESTION=${congestion} exec "$@"`;
    command.unshift("sh", "-c", preload, library);
  }
  if (mptcp === true) {
    requireTools("mptcpize");
    command.unshift("mptcpize", "run");
  }
  return command as [string, ...string[]];
}
