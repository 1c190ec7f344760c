import type { BodyReader } from "../../src/core/wire/body-reader.ts";
import type { BodyWriter } from "../../src/core/wire/body-writer.ts";
import { ControlBlock, FLAG_SEQUENCED } from "../../src/core/wire/control-block.ts";
import {
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
} from "../../src/core/wire/control-body.ts";
import type { Flow } from "../../src/core/wire/flow.ts";
import { formatAddress, parseAddress } from "../../src/io/address.ts";
import type { PlainField } from "../naive/body.ts";
import type { PlainFlow } from "../naive/ip-flow.ts";
import type { PlainBlock } from "../naive/trailer.ts";

/** Between the records of the code under test and what vectors and naive twins say. */

export function plainBlock(block: ControlBlock): PlainBlock {
  const node = BigInt(block.nodeHigh) * 2n ** 32n + BigInt(block.nodeLow >>> 0);
  return {
    node: digits(node, 12).replace(/..(?!$)/g, "$&:"),
    session: digits(block.session >>> 0, 8),
    address: block.address === 0 ? null : formatAddress(mapped(block.address)),
    flags: block.flags,
    path: block.path,
    feedbackPath: block.feedbackPath,
    timestampUs: block.timestampUs >>> 0,
    delayUs: block.delayUs,
    sequence: block.sequence >>> 0,
  };
}

export function blockFrom(plain: PlainBlock): ControlBlock {
  const block = new ControlBlock();
  const node = BigInt(`0x${plain.node.replaceAll(":", "")}`);
  block.nodeHigh = Number(node >> 32n);
  block.nodeLow = Number(node & 0xffff_ffffn) | 0;
  block.session = Number(`0x${plain.session}`) | 0;
  block.address = plain.address === null ? 0 : parseAddress(plain.address)[3]!;
  block.flags = plain.flags;
  block.path = plain.path;
  block.feedbackPath = plain.feedbackPath;
  block.timestampUs = plain.timestampUs | 0;
  block.delayUs = plain.delayUs;
  block.sequence = plain.flags & FLAG_SEQUENCED ? plain.sequence | 0 : 0;
  return block;
}

/** What a reader that has begun finds. */
export function readFields(reader: BodyReader): PlainField[] {
  const fields: PlainField[] = [];
  while (reader.next()) fields.push(plainField(reader));
  return fields;
}

function plainField(reader: BodyReader): PlainField {
  const pair = () => digits(reader.high() >>> 0, 8) + digits(reader.low() >>> 0, 8);
  const endpoint = (index: number): [string, number] => {
    const words = new Int32Array(6);
    const port = reader.address(index, words, 1);
    return [formatAddress(words, 1), port];
  };
  switch (reader.type) {
    case FIELD_NONCE:
      return { nonce: pair() };
    case FIELD_INSTANCE:
      return { instance: pair() };
    case FIELD_ASKED:
      return { asked: pair() };
    case FIELD_TOKEN:
      return { token: pair() };
    case FIELD_ADDRESSES4:
    case FIELD_ADDRESSES6:
      return { addresses: Array.from({ length: reader.addressCount() }, (_, i) => endpoint(i)) };
    case FIELD_RECEIVED: {
      const { path, packets, bytesHigh, bytesLow, lost, highest, carries } = reader.received(new Received());
      const bytes = (BigInt(bytesHigh >>> 0) * 2n ** 32n + BigInt(bytesLow >>> 0)).toString();
      return {
        received: {
          path,
          packets: packets >>> 0,
          bytes,
          lost: lost >>> 0,
          highest: highest >>> 0,
          carries: carries >>> 0,
        },
      };
    }
    case FIELD_ECHO: {
      const { timestampUs, heldUs, path } = reader.echo(new Echo());
      return { echo: { timestampUs: timestampUs >>> 0, heldUs: heldUs >>> 0, path } };
    }
    case FIELD_OBSERVED:
      return { observed: endpoint(0) };
    case FIELD_MTU:
      return { mtu: reader.uint16() };
    case FIELD_POLICY:
      return reader.hasRate()
        ? { policy: reader.byte(), line: reader.line(), bytesPerS: reader.rate() }
        : { policy: reader.byte() };
    case FIELD_NAME:
      return { name: reader.text() };
    case FIELD_PADDING:
      return { padding: reader.valueBytes };
    case FIELD_REFUSAL:
      return { refusal: reader.byte() };
    case FIELD_VERSION:
      return { version: reader.byte() };
    case FIELD_NACK: {
      const ranges = Array.from({ length: reader.rangeCount() }, (_, i): [number, number] => [
        reader.rangeFirst(i) >>> 0,
        reader.rangeLength(i),
      ]);
      return { nack: { path: reader.byte(), ranges } };
    }
    case FIELD_CLOSED:
      return { closed: Array.from({ length: reader.valueBytes }, (_, i) => reader.path(i)) };
    default:
      throw new Error(`type ${reader.type} is not known`);
  }
}

/** False where the writer had no room for the field. */
export function writeField(writer: BodyWriter, field: PlainField): boolean {
  const high = (hex: string) => Number.parseInt(hex.slice(0, 8), 16) | 0;
  const low = (hex: string) => Number.parseInt(hex.slice(8), 16) | 0;
  if ("nonce" in field) return writer.nonce(high(field.nonce), low(field.nonce));
  if ("instance" in field) return writer.instance(high(field.instance), low(field.instance));
  if ("asked" in field) return writer.asked(high(field.asked), low(field.asked));
  if ("token" in field) return writer.token(high(field.token), low(field.token));
  if ("addresses" in field) {
    const words = Int32Array.from(field.addresses.flatMap(([address]) => [...parseAddress(address)]));
    const ports = field.addresses.map(([, port]) => port);
    return writer.addresses(words, ports, ports.length);
  }
  if ("received" in field) {
    const bytes = BigInt(field.received.bytes);
    const { path, packets, lost, highest, carries } = field.received;
    return writer.received({
      path,
      packets: packets | 0,
      bytesHigh: Number(bytes >> 32n) | 0,
      bytesLow: Number(bytes & 0xffff_ffffn) | 0,
      lost: lost | 0,
      highest: highest | 0,
      carries: carries | 0,
    });
  }
  if ("echo" in field) {
    const { timestampUs, heldUs, path } = field.echo;
    return writer.echo({ timestampUs: timestampUs | 0, heldUs: heldUs | 0, path });
  }
  if ("observed" in field) {
    const [address, port] = field.observed;
    return writer.observed(Int32Array.of(0, ...parseAddress(address)), 1, port);
  }
  if ("mtu" in field) return writer.mtu(field.mtu);
  if ("policy" in field) {
    const { policy, line, bytesPerS } = field;
    return line === undefined ? writer.policy(policy) : writer.policyRate(policy, line, bytesPerS!);
  }
  if ("name" in field) return writer.name(field.name);
  if ("padding" in field) return writer.padTo(writer.bytes + 3 + field.padding);
  if ("refusal" in field) return writer.refusal(field.refusal);
  if ("version" in field) return writer.version(field.version);
  if ("closed" in field) return writer.closed(Uint8Array.from(field.closed), field.closed.length);
  const { path, ranges } = field.nack;
  return writer.nack(path) && ranges.every(([first, count]) => writer.range(first | 0, count));
}

export function plainFlow(flow: Flow): PlainFlow {
  return {
    version: flow.version,
    source: formatAddress(flow.source),
    destination: formatAddress(flow.destination),
    protocol: flow.protocol,
    sourcePort: flow.sourcePort,
    destinationPort: flow.destinationPort,
    tos: flow.tos,
    ttl: flow.ttl,
    flowLabel: flow.flowLabel,
    dontFragment: flow.dontFragment,
    isFragment: flow.isFragment,
    hasOptions: flow.hasOptions,
    ipBytes: flow.ipBytes,
    transportBytes: flow.transportBytes,
    payloadBytes: flow.payloadBytes,
    compactable: flow.compactable,
  };
}

function mapped(word: number): Int32Array {
  const words = parseAddress("0.0.0.0");
  words[3] = word;
  return words;
}

function digits(value: number | bigint, count: number): string {
  return value.toString(16).padStart(count, "0");
}
