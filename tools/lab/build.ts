import { join } from "node:path";
import { run } from "./command.ts";
import type { EmulatedLink, Emulator, EmulatorBackend } from "./emulator.ts";
import { hostCommands, splitSysctls } from "./host-setup.ts";
import { Linkemu, startLinkemu } from "./linkemu.ts";
import { ipBatch, namespaced } from "./namespace.ts";
import { hasNetem, Netem } from "./netem.ts";
import { nftRules } from "./nft-rules.ts";
import { namespaceName, runDirectory } from "./run-id.ts";
import type { HostPlan, LinkPlan, Topology } from "./topology.ts";

/** No host can have this name. */
const middle = "_lines";

/** Makes everything of a topology, in an order in which nothing is used before it is there. */
export async function build(runId: string, topology: Topology): Promise<EmulatorBackend | undefined> {
  const emulated = topology.links.filter((link) => link.emulated);
  const places = [...topology.hosts.map(({ name }) => name), ...(emulated.length > 0 ? [middle] : [])];
  await ipBatch(places.map((place) => `netns add ${namespaceName(runId, place)}`));
  await Promise.all(
    topology.hosts.map((host) => setSysctls(namespaceName(runId, host.name), splitSysctls(host).early)),
  );
  if (emulated.length > 0)
    await setSysctls(namespaceName(runId, middle), ["net.ipv6.conf.default.disable_ipv6=1"]);
  await ipBatch(topology.links.flatMap((link) => vethCommands(runId, topology, link)));
  await Promise.all(
    emulated.flatMap((link) => [link.a, link.b].map((host) => turnOffOffloads(runId, host, link.name))),
  );
  const backend = emulated.length > 0 ? await startEmulator(runId, topology) : undefined;
  await Promise.all(topology.hosts.map((host) => setUpHost(runId, topology, host)));
  return backend;
}

export function emulatorOf(runId: string, backend: EmulatorBackend): Emulator {
  return backend === "netem" ? new Netem(namespaceName(runId, middle)) : new Linkemu(controlSocket(runId));
}

export function emulatedLink(topology: Topology, link: LinkPlan): EmulatedLink {
  const [interfaceA, interfaceB] = middleInterfaces(topology, link);
  return { name: link.name, interfaceA, interfaceB, line: link.line };
}

export async function loadNftRules(runId: string, topology: Topology, host: HostPlan): Promise<void> {
  const rules = nftRules(host, topology);
  if (rules === undefined) return;
  await run(["nft", "-f", "-"], {
    input: rules,
    host: host.name,
    prefix: namespaced(namespaceName(runId, host.name)),
  });
}

async function setUpHost(runId: string, topology: Topology, host: HostPlan): Promise<void> {
  const namespace = namespaceName(runId, host.name);
  await loadNftRules(runId, topology, host);
  await setSysctls(namespace, splitSysctls(host).late);
  await ipBatch(hostCommands(host), namespace);
}

async function setSysctls(namespace: string, settings: readonly string[]): Promise<void> {
  if (settings.length > 0) await run(["sysctl", "-q", "-w", ...settings], { prefix: namespaced(namespace) });
}

function vethCommands(runId: string, topology: Topology, link: LinkPlan): string[] {
  const pair = (name: string, place: string, peerName: string, peerPlace: string) =>
    `link add ${name} mtu ${link.mtu} netns ${namespaceName(runId, place)} type veth ` +
    `peer name ${peerName} mtu ${link.mtu} netns ${namespaceName(runId, peerPlace)}`;
  if (!link.emulated) return [pair(link.name, link.a, link.name, link.b)];
  const [interfaceA, interfaceB] = middleInterfaces(topology, link);
  return [pair(link.name, link.a, interfaceA, middle), pair(link.name, link.b, interfaceB, middle)];
}

/** A link's name may be as long as an interface's, so its ends in the middle are named by its position. */
function middleInterfaces(topology: Topology, link: LinkPlan): [string, string] {
  const position = topology.links.findIndex(({ name }) => name === link.name);
  return [`e${position}a`, `e${position}b`];
}

/** A real line carries frames no longer than its MTU, with their checksums filled in. */
async function turnOffOffloads(runId: string, host: string, interfaceName: string): Promise<void> {
  const off = ["tso", "gso", "gro", "tx"].flatMap((offload) => [offload, "off"]);
  await run(["ethtool", "-K", interfaceName, ...off], {
    host,
    prefix: namespaced(namespaceName(runId, host)),
  });
}

async function startEmulator(runId: string, topology: Topology): Promise<EmulatorBackend> {
  const namespace = namespaceName(runId, middle);
  const emulated = topology.links.filter((link) => link.emulated);
  const ports = emulated.flatMap((link) => middleInterfaces(topology, link));
  await ipBatch(
    ports.map((port) => `link set ${port} up`),
    namespace,
  );
  const backend = (await hasNetem(namespace)) ? "netem" : "linkemu";
  if (backend === "linkemu") await startLinkemu(namespace, controlSocket(runId), topology.seed);
  await emulatorOf(runId, backend).addLinks(emulated.map((link) => emulatedLink(topology, link)));
  return backend;
}

function controlSocket(runId: string): string {
  return join(runDirectory(runId), "linkemu.sock");
}
