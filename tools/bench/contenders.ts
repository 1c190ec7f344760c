import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PathView } from "../../src/control/views.ts";
import {
  disableMptcp,
  enableMptcp,
  type Host,
  type Lab,
  LabDaemon,
  type LabProcess,
  linkAddresses,
  type MptcpAddress,
  waitFor,
} from "../lab/index.ts";

/** The two links of the bench's lab, and its two hosts. */
export const LINKS = ["l0", "l1"] as const;
export const HOSTS = ["a", "b"] as const;

/** A way from host a to host b that is measured. */
export interface Contender {
  name: string;
  /** Commands that must be installed. */
  needs?: readonly string[];
  start(lab: Lab): Promise<Running>;
}

export interface Running {
  /** Address of b by which this way is used. */
  target: string;
  /** The flows ask for MPTCP. */
  mptcp?: boolean;
  /** MPTCP carries TCP only. */
  tcpOnly?: boolean;
  /** What carries the packets, where that is not the kernel. */
  daemons: readonly LabProcess[];
  stop(): Promise<void>;
}

const INNER = { a: "10.99.0.1", b: "10.99.0.2" } as const;

export const CONTENDERS: readonly Contender[] = [
  { name: "veth", start: async (lab) => kernelOnly(lab) },
  { name: "veth, no offloads", needs: ["ethtool"], start: startWithoutOffloads },
  {
    name: "MPTCP, 1 link",
    needs: ["mptcpize"],
    start: async (lab) => ({ ...kernelOnly(lab), mptcp: true, tcpOnly: true }),
  },
  { name: "MPTCP, 2 links", needs: ["mptcpize"], start: startMptcp },
  { name: "mpip pipe, 1 path", start: (lab) => startPipe(lab, 1) },
  { name: "mpip pipe, 2 paths", start: (lab) => startPipe(lab, 2) },
  { name: "mpip, 1 path", start: (lab) => startMpip(lab, 1) },
  { name: "mpip, 2 paths", start: (lab) => startMpip(lab, 2) },
  { name: "wireguard-go", needs: ["wireguard-go", "wg"], start: startWireguard },
  { name: "OpenVPN", needs: ["openvpn", "openssl"], start: startOpenvpn },
];

/** The one whose numbers the others' are divided by. */
export const YARDSTICK = "MPTCP, 2 links";

function kernelOnly(lab: Lab): Running {
  return { target: lab.host("b").ip("l0"), daemons: [], stop: async () => {} };
}

async function startWithoutOffloads(lab: Lab): Promise<Running> {
  const turn = async (state: "on" | "off") => {
    for (const host of HOSTS) {
      await lab.host(host).exec("ethtool", ["-K", "l0", "tso", state, "gso", state, "gro", state]);
    }
  };
  await turn("off");
  return { ...kernelOnly(lab), stop: () => turn("on") };
}

async function startMptcp(lab: Lab): Promise<Running> {
  const hosts = [lab.host("a"), lab.host("b")] as const;
  const [a, b] = hosts.map((host): [Host, MptcpAddress[]] => [host, linkAddresses(host, LINKS)]);
  await enableMptcp(a!, b!);
  return { ...kernelOnly(lab), mptcp: true, tcpOnly: true, stop: () => disableMptcp(...hosts) };
}

async function startPipe(lab: Lab, paths: number): Promise<Running> {
  const script = fileURLToPath(new URL("./pipe-main.js", import.meta.url));
  const links = LINKS.slice(0, paths);
  const start = async (self: "a" | "b", other: "a" | "b") => {
    const [host, peer] = [lab.host(self), lab.host(other)];
    const addresses = links.flatMap((link) => ["--local", host.ip(link), "--remote", peer.ip(link)]);
    const daemon = host.spawn(process.execPath, [
      script,
      ...addresses,
      "--from",
      INNER[self],
      "--to",
      INNER[other],
    ]);
    await daemon.output(/^ready$/m);
    await host.exec("ip", ["address", "add", `${INNER[self]}/24`, "dev", "mp0"]);
    return daemon;
  };
  return tunnel([await start("a", "b"), await start("b", "a")]);
}

/** The real thing: two daemons, as they are when nobody configures more than has to be. */
async function startMpip(lab: Lab, paths: number): Promise<Running> {
  const links = LINKS.slice(0, paths);
  const daemons = (["a", "b"] as const).map((self) => {
    const other = self === "a" ? "b" : "a";
    const config = [
      `name: ${self}`,
      `tun: { address: ${INNER[self]}/24 }`,
      `interfaces: [${links.join(", ")}]`,
      "peers:",
      `  - name: ${other}`,
      `    endpoints: [${links.map((link) => lab.host(other).ip(link)).join(", ")}]`,
      `    routes: ${INNER[other]}/32`,
    ];
    return new LabDaemon(lab.host(self), `${config.join("\n")}\n`);
  });
  const stop = async () => {
    await Promise.all(daemons.map((daemon) => daemon.process?.stop()));
    for (const daemon of daemons) daemon[Symbol.dispose]();
  };
  try {
    const processes = await Promise.all(daemons.map((daemon) => daemon.up()));
    await Promise.all(daemons.map((daemon) => allReady(daemon, paths)));
    return { target: INNER.b, daemons: processes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function allReady(daemon: LabDaemon, paths: number): Promise<void> {
  const areReady = async () => {
    const views = await daemon.ask<PathView[]>("paths");
    return views.filter(({ state }) => state === "ready").length >= paths;
  };
  await waitFor(areReady, { what: `the paths of ${daemon.host.name}`, everyMs: 200 });
}

async function startWireguard(lab: Lab): Promise<Running> {
  const folder = lab.host("a").makeDirectory();
  const publicKeys = {} as Record<"a" | "b", string>;
  for (const name of HOSTS) {
    const secret = (await lab.host(name).exec("wg", ["genkey"])).stdout.trim();
    writeFileSync(join(folder, name), secret);
    publicKeys[name] = (await lab.host(name).exec("wg", ["pubkey"], { input: secret })).stdout.trim();
  }
  const start = async (self: "a" | "b", other: "a" | "b") => {
    const [own, peer] = [lab.host(self), lab.host(other)];
    // Its control sockets share one directory over all namespaces, so the names carry the process.
    const device = `wg${process.pid}${self}`;
    const env = { WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD: "1" };
    const daemon = own.spawn("wireguard-go", ["--foreground", device], { env });
    await deviceExists(own, device);
    const local = ["listen-port", "7001", "private-key", join(folder, self)];
    const remote = ["endpoint", `${peer.ip("l0")}:7001`, "allowed-ips", "0.0.0.0/0"];
    await own.exec("wg", ["set", device, ...local, "peer", publicKeys[other], ...remote]);
    await own.exec("ip", ["address", "add", `${INNER[self]}/24`, "dev", device]);
    await own.exec("ip", ["link", "set", device, "up", "mtu", "1420"]);
    return daemon;
  };
  const running = tunnel([await start("a", "b"), await start("b", "a")]);
  rmSync(folder, { recursive: true });
  return running;
}

async function startOpenvpn(lab: Lab): Promise<Running> {
  const folder = lab.host("a").makeDirectory();
  const fingerprints = {} as Record<"a" | "b", string>;
  for (const name of HOSTS) {
    const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
    const request = [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
    ];
    await lab
      .host(name)
      .exec("openssl", [...request, "-subj", `/CN=${name}`, "-keyout", key, "-out", certificate]);
    const print = ["x509", "-fingerprint", "-sha256", "-noout", "-in", certificate];
    fingerprints[name] = (await lab.host(name).exec("openssl", print)).stdout.split("=")[1]!.trim();
  }
  const start = (self: "a" | "b", other: "a" | "b") => {
    const [own, peer] = [lab.host(self), lab.host(other)];
    const config = [
      "dev tun0",
      "dev-type tun",
      `local ${own.ip("l0")}`,
      `remote ${peer.ip("l0")}`,
      "port 7002",
      `ifconfig ${INNER[self]} ${INNER[other]}`,
      self === "a" ? "tls-client" : "tls-server",
      `peer-fingerprint ${fingerprints[other]}`,
      `key ${join(folder, `${self}.key`)}`,
      `cert ${join(folder, `${self}.crt`)}`,
      ...(self === "b" ? ["dh none"] : []),
      "data-ciphers AES-256-GCM",
      "cipher AES-256-GCM",
    ];
    const file = join(folder, `${self}.conf`);
    writeFileSync(file, `${config.join("\n")}\n`);
    return own.spawn("openvpn", ["--config", file]);
  };
  const daemons = [start("b", "a"), start("a", "b")];
  await Promise.all(daemons.map((daemon) => daemon.output(/Initialization Sequence Completed/, 30_000)));
  const running = tunnel(daemons);
  return {
    ...running,
    stop: async () => {
      await running.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

function tunnel(daemons: readonly LabProcess[]): Running {
  return {
    target: INNER.b,
    daemons,
    stop: async () => {
      await Promise.all(daemons.map((daemon) => daemon.stop()));
    },
  };
}

async function deviceExists(host: Host, device: string): Promise<void> {
  await waitFor(
    async () => (await host.exec("ip", ["link", "show", device], { allowFailure: true })).code === 0,
    {
      what: `the device ${device} on ${host.name}`,
    },
  );
}

/** CPU seconds that a process has used, in user space and in the kernel. */
export function cpuSeconds(process: LabProcess): number {
  // Behind the command's name, which may hold anything but ends with the last ")".
  const fields = readFileSync(`/proc/${process.pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}

/** USER_HZ, 100 on every Linux that Node.js runs on. */
const CLOCK_TICKS = 100;
