import { readFileSync } from "node:fs";
import { pino } from "pino";
import type { Config } from "../config/parse.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW, hasCapability } from "../host/capabilities.ts";
import { HostError } from "../host/error.ts";
import { realTables } from "../host/nft-real.ts";
import { run } from "../host/run.ts";
import { IoError } from "../io/error.ts";
import { openArena } from "../io/native.ts";
import { openRing } from "../io/ring.ts";
import { testUdpOffloads } from "../io/selftest.ts";
import { openTun } from "../io/tun.ts";
import { bad, type Finding, ok, warn } from "./finding.ts";

/** A device that is there for a moment only. */
const TEST_DEVICE = "mpip-doctor";
const TEST_MTU_BYTES = 1400;

export function rightsFindings(): Finding[] {
  const missing = [
    ...(hasCapability(CAP_NET_ADMIN) ? [] : ["CAP_NET_ADMIN"]),
    ...(hasCapability(CAP_NET_RAW) ? [] : ["CAP_NET_RAW"]),
  ];
  return missing.length === 0
    ? [ok("rights", "may change the network")]
    : [bad("rights", `${missing.join(" and ")} missing: not all could be looked at`, "run it with sudo")];
}

/** Undefined where the file is not there. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** What the kernel and the programs around it can do for us. */
export async function kernelFindings(config: Config | undefined): Promise<Finding[]> {
  const carriesReal = config !== undefined && config.realAddresses !== false;
  return [
    ...(await programFindings(carriesReal)),
    ...tunFindings(config?.offloads),
    ...udpFindings(config?.offloads),
    ...ringFindings(config?.offloads),
  ];
}

async function programFindings(carriesReal: boolean): Promise<Finding[]> {
  const findings: Finding[] = [];
  const tries = [
    { program: "ip", args: ["-json", "rule"], what: "policy routing" },
    { program: "nft", args: ["-c", "-f", "-"], what: "nftables", input: TRIED_RULES },
    ...(carriesReal
      ? [{ program: "nft", args: ["-c", "-f", "-"], what: "nftables for real addresses", input: TRIED_REAL }]
      : []),
  ];
  for (const { program, args, what, input } of tries) {
    try {
      const { code, stderr } = await run(program, args, input);
      const why = stderr.trim().split("\n")[0]!;
      findings.push(
        code === 0
          ? ok("kernel", `${what} works`)
          : bad("kernel", `${what} does not work: ${why}`, "use a kernel that was built with it"),
      );
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      const [text = "", advice = ""] = error.message.split("; ");
      findings.push(bad("kernel", text, advice));
    }
  }
  return findings;
}

/** The kinds of rules that the daemon sets up, to be checked and not to be applied. */
const TRIED_RULES = `table inet mpip-doctor {
  chain forward {
    type filter hook forward priority mangle; policy accept;
    iifname "mpip-doctor" tcp flags & (syn | rst) == syn tcp option maxseg size set 1400
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    iifname "mpip-doctor" oifname != "mpip-doctor" masquerade
  }
}
`;

/** They copy packets to a device, which must be there for that. */
const TRIED_REAL = realTables("lo", TEST_MTU_BYTES, {
  destinations: undefined,
  families: [4, 6],
  pairs: [],
  carried: [],
});

type Offloads = Config["offloads"];

function tunFindings(offloads: Offloads | undefined): Finding[] {
  const silent = pino({ level: "silent" });
  let found: Readonly<Record<string, boolean>>;
  try {
    const tun = openTun({ name: TEST_DEVICE, mtu: TEST_MTU_BYTES }, openArena(1 << 20), silent);
    found = { ...tun.offloads };
    tun.close();
  } catch (error) {
    if (!(error instanceof IoError)) throw error;
    const [text = "", advice = ""] = error.message.split("; ");
    return [bad("kernel", text, advice || "see dmesg")];
  }
  return offloadFindings("the TUN device", found, offloads, {
    checksum: "Linux 2.6.27",
    tso: "Linux 2.6.27",
    uso: "Linux 6.2",
  });
}

function udpFindings(offloads: Offloads | undefined): Finding[] {
  const found = { gso: true, gro: true };
  testUdpOffloads(4, found, pino({ level: "silent" }));
  return offloadFindings("UDP", found, offloads, { gso: "Linux 4.18", gro: "Linux 5.0" });
}

function ringFindings(offloads: Offloads | undefined): Finding[] {
  const found = { ring: openRing(pino({ level: "silent" })) };
  return offloadFindings("io_uring", found, offloads, { ring: "Linux 6.0" });
}

/** `since` says, by offload, which kernel brought it. */
function offloadFindings(
  where: string,
  found: Readonly<Record<string, boolean>>,
  wanted: Offloads | undefined,
  since: Readonly<Record<string, string>>,
): Finding[] {
  const names = Object.keys(since);
  const missing = names.filter((name) => found[name] !== true);
  const off = names.filter((name) => wanted?.[name as keyof Offloads] === false && found[name] === true);
  return [
    ...missing.map((name) =>
      warn(
        "kernel",
        `${where}: ${name} does not work here`,
        `${since[name]} or newer has it; without, it is slower`,
      ),
    ),
    ...off.map((name) =>
      warn("kernel", `${where}: ${name} works, but offloads.${name} switches it off`, "take that key out"),
    ),
    ...(missing.length + off.length === 0 ? [ok("kernel", `${where}: ${names.join(", ")} work`)] : []),
  ];
}
