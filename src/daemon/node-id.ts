import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { formatNodeId, type NodeId, parseNodeId, Wrong } from "../config/values.ts";
import { fileError, makeDirectory, writeWhole } from "../host/files.ts";
import { IoError } from "../io/error.ts";

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
export function storedNodeId(stateDirectory: string): NodeId {
  const path = join(stateDirectory, "node-id");
  const stored = readStored(path);
  if (stored !== undefined) return stored;
  const bytes = randomBytes(6);
  bytes[0] = (bytes[0]! & ~MULTICAST) | LOCALLY_ADMINISTERED;
  const id = parseNodeId(bytes.toString("hex"));
  makeDirectory(stateDirectory);
  // On the disk before the peers learn it: an ID that a power cut takes away would be another node's afterwards.
  writeWhole(path, `${formatNodeId(id)}\n`, { flush: true });
  return id;
}

/** Undefined where nothing has been made up yet. */
function readStored(path: string): NodeId | undefined {
  try {
    return parseNodeId(readFileSync(path, "utf8").trim());
  } catch (error) {
    if (error instanceof Wrong)
      throw new IoError(`${path}: ${error.message}, or remove the file for a new one`);
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fileError(
      `cannot read ${path}`,
      error,
      "make it a readable file, or set node in the configuration",
    );
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
