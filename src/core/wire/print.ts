import { addressText, isMappedIpv4, MAPPED_WORD } from "./address.ts";
import { BodyReader } from "./body-reader.ts";
import {
  ControlBlock,
  FLAG_COPY,
  FLAG_NO_CHECKSUM,
  FLAG_SEALED,
  FLAG_SEQUENCED,
  KIND_DATA_COMPACT,
  KIND_DATA_FULL,
  PATH_NONE,
  SESSION_NONE,
} from "./control-block.ts";
import {
  CARRIES_MASK,
  Echo,
  FIELD_ADDRESSES4,
  FIELD_ADDRESSES6,
  FIELD_ASKED,
  FIELD_CLOSED,
  FIELD_ECHO,
  FIELD_INSTANCE,
  FIELD_MTU,
  FIELD_NACK,
  FIELD_NAME,
  FIELD_NONCE,
  FIELD_OBSERVED,
  FIELD_PADDING,
  FIELD_POLICY,
  FIELD_RECEIVED,
  FIELD_REFUSAL,
  FIELD_TOKEN,
  FIELD_VERSION,
  Received,
} from "./control-body.ts";
import { Flow } from "./flow.ts";
import { ICMP_BYTES, ICMP_CODE, ICMP_TYPE } from "./icmp.ts";
import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from "./ipv4.ts";
import { PROTOCOL_ICMPV6 } from "./ipv6.ts";
import { TCP_ACKNOWLEDGEMENT, TCP_FLAGS, TCP_SEQUENCE, TCP_WINDOW } from "./tcp.ts";

/** By kind. */
const KIND_NAMES = [
  "data, compact",
  "data, full",
  "query",
  "confirm",
  "probe",
  "probe answer",
  "heartbeat",
  "addresses",
  "ip change",
  "handshake",
  "nack",
] as const;

/** By code. */
const REFUSALS = [
  undefined,
  "node ID clash",
  "not configured",
  "no room for another node",
  "version",
] as const;

/** Why somebody is refused. */
export function refusalText(code: number): string {
  return REFUSALS[code] ?? `code ${code}`;
}

/** Entries of a list, and fields of a body, that are printed. */
const ENTRIES_MAX = 8;

/** A node ID as MAC addresses are written. */
export function nodeIdText(high: number, low: number): string {
  const digits = hex(high, 4) + hex(low, 8);
  return digits.replace(/..(?=.)/g, "$&:");
}

/** One line for logs that says what the MPIP datagram of `length` bytes at `at` is; for any bytes. */
export function printDatagram(view: DataView, at: number, length: number): string {
  const block = new ControlBlock();
  if (!block.read(view, at, length)) return `MPIP, too short: ${length} bytes`;
  const { kind, flags, path, userBytes } = block;
  const words = [
    `MPIP ${KIND_NAMES[kind] ?? `kind ${kind}`}, node ${nodeIdText(block.nodeHigh, block.nodeLow)}`,
  ];
  if (block.session !== SESSION_NONE) words.push(`session ${hex(block.session, 8)}`);
  words.push(`path ${path}`);
  if (flags & FLAG_SEQUENCED) words.push(`sequence ${block.sequence >>> 0}`);
  words.push(`time ${block.timestampUs >>> 0}`);
  if (block.feedbackPath !== PATH_NONE) words.push(`delay of ${block.feedbackPath}: ${block.delayUs} us`);
  if (block.address !== 0)
    words.push(`address ${addressText(Int32Array.of(0, 0, MAPPED_WORD, block.address), 0)}`);
  if (flags & FLAG_NO_CHECKSUM) words.push("no checksum");
  if (flags & FLAG_COPY) words.push("copy");
  if (flags & FLAG_SEALED) words.push("sealed");
  words.push(`length ${userBytes}`);
  const head = words.join(", ");
  if (flags & FLAG_SEALED || kind === KIND_DATA_COMPACT) return head;
  if (kind === KIND_DATA_FULL) return `${head}: ${printPacket(view, at, userBytes)}`;
  const body = printBody(view, at, userBytes);
  return body === "" ? head : `${head}: ${body}`;
}

/** The fields of a control packet's body. */
export function printBody(view: DataView, at: number, bytes: number): string {
  const reader = new BodyReader();
  if (!reader.begin(view, at, bytes)) return "malformed";
  const words: string[] = [];
  let left = 0;
  while (reader.next()) {
    if (reader.type === FIELD_PADDING) continue;
    if (words.length < ENTRIES_MAX) words.push(fieldText(reader));
    else left++;
  }
  if (left > 0) words.push(`and ${left} more`);
  return words.join(", ");
}

function fieldText(reader: BodyReader): string {
  switch (reader.type) {
    case FIELD_NONCE:
      return `nonce ${pairText(reader)}`;
    case FIELD_INSTANCE:
      return `instance ${pairText(reader)}`;
    case FIELD_ASKED:
      return `asked ${pairText(reader)}`;
    case FIELD_TOKEN:
      return `token ${pairText(reader)}`;
    case FIELD_ADDRESSES4:
    case FIELD_ADDRESSES6:
      return `addresses ${list(reader.addressCount(), (i) => endpoint(reader, i))}`;
    case FIELD_OBSERVED:
      return `observed ${endpoint(reader, 0)}`;
    case FIELD_RECEIVED: {
      const { path, packets, bytesHigh, bytesLow, lost, highest, carries } = reader.received(new Received());
      const bytes = (bytesHigh >>> 0) * 2 ** 32 + (bytesLow >>> 0);
      const carried = `carries ${carries & CARRIES_MASK} bytes/ms${carries < 0 ? ", a queue grew" : ""}`;
      return `received of ${path}: ${packets >>> 0} packets, ${bytes} bytes, ${lost >>> 0} lost, to ${highest >>> 0}, ${carried}`;
    }
    case FIELD_ECHO: {
      const { path, timestampUs, heldUs } = reader.echo(new Echo());
      return `echo of ${path}: time ${timestampUs >>> 0}, held ${heldUs >>> 0} us`;
    }
    case FIELD_MTU:
      return `mtu ${reader.uint16()}`;
    case FIELD_POLICY:
      return `policy 0x${hex(reader.byte(), 2)}${reader.hasRate() ? `, line ${reader.line()}: ${reader.rate()} bytes/s` : ""}`;
    case FIELD_NAME:
      return `name ${printable(reader.text())}`;
    case FIELD_REFUSAL:
      return `refused: ${refusalText(reader.byte())}`;
    case FIELD_VERSION:
      return `version ${reader.byte()}`;
    case FIELD_NACK:
      return `missing of ${reader.byte()}: ${list(reader.rangeCount(), (i) => range(reader, i))}`;
    case FIELD_CLOSED:
      return `closed ${list(reader.valueBytes, (i) => `${reader.path(i)}`)}`;
    default:
      return `type ${reader.type}`;
  }
}

function pairText(reader: BodyReader): string {
  return hex(reader.high(), 8) + hex(reader.low(), 8);
}

function endpoint(reader: BodyReader, index: number): string {
  const words = new Int32Array(4);
  const port = reader.address(index, words, 0);
  return endpointText(words, port);
}

function range(reader: BodyReader, index: number): string {
  return `${reader.rangeFirst(index) >>> 0}+${reader.rangeLength(index)}`;
}

function list(count: number, entry: (index: number) => string): string {
  const entries = Array.from({ length: Math.min(count, ENTRIES_MAX) }, (_, i) => entry(i));
  if (count > ENTRIES_MAX) entries.push(`and ${count - ENTRIES_MAX} more`);
  return entries.length === 0 ? "none" : entries.join(" ");
}

/** Escapes what a terminal might act on or not show. */
function printable(text: string): string {
  const escaped = text.replace(
    /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]|["\\]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
  return `"${escaped}"`;
}

/** One line for logs that says what the IP packet of `length` bytes at `at` is; for any bytes. */
export function printPacket(view: DataView, at: number, length: number): string {
  const flow = new Flow();
  if (!flow.parse(view, at, length)) return `no IP packet: ${length} bytes`;
  const { protocol, payloadBytes } = flow;
  const head = flow.version === 4 ? "IP" : "IP6";
  const hasPorts = flow.transportBytes !== 0;
  const source = hasPorts ? endpointText(flow.source, flow.sourcePort) : addressText(flow.source, 0);
  const destination = hasPorts
    ? endpointText(flow.destination, flow.destinationPort)
    : addressText(flow.destination, 0);
  const what = flow.isFragment ? `fragment of protocol ${protocol}` : transportText(view, flow);
  return `${head} ${source} > ${destination}: ${what}, length ${payloadBytes}`;
}

function transportText(view: DataView, flow: Flow): string {
  const { protocol, transportAt, transportBytes } = flow;
  if (protocol === PROTOCOL_TCP && transportBytes !== 0) {
    const flags = view.getUint8(transportAt + TCP_FLAGS);
    const letters = TCP_LETTERS.filter((_, i) => flags & (1 << i)).join("");
    const sequence = view.getUint32(transportAt + TCP_SEQUENCE);
    const acknowledgement = view.getUint32(transportAt + TCP_ACKNOWLEDGEMENT);
    const window = view.getUint16(transportAt + TCP_WINDOW);
    return `TCP [${letters}], seq ${sequence}, ack ${acknowledgement}, win ${window}`;
  }
  if (protocol === PROTOCOL_UDP && transportBytes !== 0) return "UDP";
  const isIcmp = protocol === (flow.version === 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6);
  if (isIcmp && flow.payloadBytes >= ICMP_BYTES) {
    const type = view.getUint8(transportAt + ICMP_TYPE);
    const code = view.getUint8(transportAt + ICMP_CODE);
    return `ICMP type ${type} code ${code}${flow.sourcePort === 0 ? "" : ` id ${flow.sourcePort}`}`;
  }
  return `protocol ${protocol}`;
}

/** From the lowest bit of the flags to the highest, as tcpdump writes them. */
const TCP_LETTERS = ["F", "S", "R", "P", ".", "U", "E", "W"] as const;

function endpointText(words: Int32Array, port: number): string {
  const address = addressText(words, 0);
  return isMappedIpv4(words, 0) ? `${address}:${port}` : `[${address}]:${port}`;
}

function hex(value: number, digits: number): string {
  return (value >>> 0).toString(16).padStart(digits, "0");
}
