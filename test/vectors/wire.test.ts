import { describe, expect, it } from "vitest";
import { BodyReader } from "../../src/core/wire/body-reader.ts";
import { BodyWriter } from "../../src/core/wire/body-writer.ts";
import {
  ControlBlock,
  FLAG_SEQUENCED,
  TrailerWriter,
  writeControlBlock,
  writeTrailer,
} from "../../src/core/wire/control-block.ts";
import { Flow } from "../../src/core/wire/flow.ts";
import { printDatagram, printPacket } from "../../src/core/wire/print.ts";
import { decodeBody, encodeBody, type PlainField } from "../naive/body.ts";
import { describePacket, type PlainFlow } from "../naive/ip-flow.ts";
import { decodeTrailer, encodeTrailer, type PlainBlock } from "../naive/trailer.ts";
import { blockFrom, plainBlock, plainFlow, readFields, writeField } from "./convert.ts";
import { fromHex, toHex, vectors, viewOf } from "./load.ts";

interface BlockVector {
  why: string;
  hex: string;
  userBytes: number;
  block: PlainBlock;
}

interface BodyVector {
  why: string;
  hex: string;
  /** Null where the body is to be rejected. */
  fields: PlainField[] | null;
  /** Nobody writes it so. */
  readOnly?: true;
}

interface PacketVector {
  why: string;
  hex: string;
  /** Null where it is no packet. */
  flow: PlainFlow | null;
  line: string;
}

interface DatagramVector extends BlockVector {
  line: string;
  /** Of control packets. */
  fields?: PlainField[] | null;
}

const blocks: BlockVector[] = [
  ...vectors<BlockVector>("control-block"),
  ...vectors<DatagramVector>("datagrams"),
];
const packets = vectors<PacketVector>("ip-packets");
const bodies = vectors<BodyVector>("control-body");

/** Bytes of 0xa5, so that a byte that a writer forgets shows. */
const unwritten = (length: number) => new Uint8Array(length).fill(0xa5);
const AT = 7;

describe("the end of a datagram", () => {
  it.each(blocks)("is read: $why", ({ hex, userBytes, block }) => {
    const bytes = fromHex(hex);
    const read = new ControlBlock();
    expect(read.read(viewOf(bytes), 0, bytes.length)).toBe(true);
    expect(plainBlock(read)).toEqual(block);
    expect(read.userBytes).toBe(userBytes);
    expect(decodeTrailer(bytes)).toEqual({ block, userBytes });
  });

  it.each(blocks)("is written: $why", ({ hex, userBytes, block }) => {
    const trailer = fromHex(hex).subarray(userBytes);
    const bytes = unwritten(AT + trailer.length + AT);
    expect(writeTrailer(viewOf(bytes), AT, blockFrom(block))).toBe(trailer.length);
    const expected = unwritten(bytes.length);
    expected.set(trailer, AT);
    expect(toHex(bytes)).toBe(toHex(expected));
    expect(toHex(encodeTrailer(block))).toBe(toHex(trailer));

    const alone = unwritten(AT + 25);
    writeControlBlock(viewOf(alone), AT, blockFrom(block));
    expect(toHex(alone.subarray(AT))).toBe(toHex(trailer.subarray(-25)));
  });

  it.each(blocks)("is written by the writer of runs: $why", ({ hex, userBytes, block: plain }) => {
    const trailer = fromHex(hex).subarray(userBytes);
    const block = blockFrom(plain);
    const bytes = unwritten(AT + trailer.length + AT);
    const writer = new TrailerWriter(block.nodeHigh, block.nodeLow);
    writer.prepare(block.flags, block.session, block.path, block.address, block.feedbackPath, block.delayUs);
    const { sequence, timestampUs } = block;
    expect(writer.write(viewOf(bytes), AT, sequence, timestampUs)).toBe(trailer.length);
    const expected = unwritten(bytes.length);
    expected.set(trailer, AT);
    expect(toHex(bytes)).toBe(toHex(expected));
    expect(trailer.length).toBe(block.flags & FLAG_SEQUENCED ? 29 : 25);
  });
});

describe("the body of a control packet", () => {
  it.each(bodies)("is read: $why", ({ hex, fields }) => {
    const bytes = fromHex(hex);
    const reader = new BodyReader();
    expect(reader.begin(viewOf(bytes), 0, bytes.length)).toBe(fields !== null);
    expect(readFields(reader)).toEqual(fields ?? []);
    expect(decodeBody(bytes)).toEqual(fields);
  });

  const written = bodies.filter(({ fields, readOnly }) => fields !== null && !readOnly);
  it.each(written)("is written: $why", ({ hex, fields }) => {
    const body = fromHex(hex);
    const bytes = unwritten(AT + body.length + AT);
    const writer = new BodyWriter();
    writer.begin(viewOf(bytes), AT, AT + body.length);
    // Lists of both families are given to the writer in one.
    for (const field of joinLists(fields!)) expect(writeField(writer, field)).toBe(true);
    expect(writer.complete).toBe(true);
    expect(writer.bytes).toBe(body.length);
    const expected = unwritten(bytes.length);
    expected.set(body, AT);
    expect(toHex(bytes)).toBe(toHex(expected));
    expect(toHex(encodeBody(fields!))).toBe(toHex(body));
  });
});

describe("an IP packet", () => {
  it.each(packets)("is read: $why", ({ hex, flow }) => {
    const bytes = fromHex(hex);
    const read = new Flow();
    expect(read.parse(viewOf(bytes), 0, bytes.length)).toBe(flow !== null);
    if (flow !== null) {
      expect(plainFlow(read)).toEqual(flow);
      expect([read.ipAt, read.transportAt, read.payloadAt]).toEqual([
        0,
        flow.ipBytes,
        flow.ipBytes + flow.transportBytes,
      ]);
    }
    expect(describePacket(bytes)).toEqual(flow);
  });

  it.each(packets)("is printed: $why", ({ hex, line }) => {
    const bytes = fromHex(hex);
    expect(printPacket(viewOf(bytes), 0, bytes.length)).toBe(line);
  });
});

describe("a whole datagram", () => {
  const datagrams = vectors<DatagramVector>("datagrams");

  it.each(datagrams)("is printed: $why", ({ hex, line }) => {
    const bytes = fromHex(hex);
    expect(printDatagram(viewOf(bytes), 0, bytes.length)).toBe(line);
  });

  it.each(datagrams.filter(({ fields }) => fields !== undefined))(
    "has its body: $why",
    ({ hex, userBytes, fields }) => {
      const bytes = fromHex(hex);
      const reader = new BodyReader();
      expect(reader.begin(viewOf(bytes), 0, userBytes)).toBe(fields !== null);
      expect(readFields(reader)).toEqual(fields ?? []);
    },
  );
});

function joinLists(fields: readonly PlainField[]): PlainField[] {
  const joined: PlainField[] = [];
  for (const field of fields) {
    const last = joined.at(-1);
    if (last && "addresses" in last && "addresses" in field) {
      joined[joined.length - 1] = { addresses: [...last.addresses, ...field.addresses] };
    } else {
      joined.push(field);
    }
  }
  return joined;
}
