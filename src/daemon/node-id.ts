import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatNodeId, type NodeId, parseNodeId } from "../config/values.ts";

const NETWORK_DEVICES = "/sys/class/net";
/** addr_assign_type: the address is the one that the device was made with. */
const PERMANENT = "0";
const LOCALLY_ADMINISTERED = 0x02;
const MULTICAST = 0x01;

/** The node ID of a host whose configuration names none. */
export function defaultNodeId(stateDirectory: string): NodeId {
  return permanentMac() ?? storedNodeId(stateDirectory);
}

/** The MAC address of the first device that is hardware and has one of its own. */
function permanentMac(): NodeId | undefined {
  for (const device of readdirSync(NETWORK_DEVICES).sort()) {
    const path = join(NETWORK_DEVICES, device);
    if (
      read(join(path, "addr_assign_type")) !== PERMANENT ||
      read(join(path, "device", "uevent")) === undefined
    ) {
      continue;
    }
    const mac = read(join(path, "address")) ?? "";
    if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) && mac !== "00:00:00:00:00:00") return parseNodeId(mac);
  }
  return undefined;
}

/** Made up once, and kept. */
function storedNodeId(stateDirectory: string): NodeId {
  const path = join(stateDirectory, "node-id");
  const stored = read(path);
  if (stored !== undefined) return parseNodeId(stored);
  const bytes = randomBytes(6);
  bytes[0] = (bytes[0]! & ~MULTICAST) | LOCALLY_ADMINISTERED;
  const id = parseNodeId(bytes.toString("hex"));
  mkdirSync(stateDirectory, { recursive: true });
  writeFileSync(path, `${formatNodeId(id)}\n`);
  return id;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
