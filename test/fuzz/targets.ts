import { BodyReader } from "../../src/core/wire/body-reader.ts";
import { ControlBlock } from "../../src/core/wire/control-block.ts";
import { hasRequiredFields } from "../../src/core/wire/control-body.ts";
import { Flow } from "../../src/core/wire/flow.ts";
import { icmpEchoId, icmpv6EchoId } from "../../src/core/wire/icmp.ts";
import { ipv4HeaderBytes } from "../../src/core/wire/ipv4.ts";
import { ipv6Chain, isIpv6 } from "../../src/core/wire/ipv6.ts";
import { TunPacket } from "../../src/core/wire/packet.ts";
import { printBody, printDatagram, printPacket } from "../../src/core/wire/print.ts";
import { tcpHeaderBytes } from "../../src/core/wire/tcp.ts";
import { plainBlock, plainFlow, readFields } from "../vectors/convert.ts";

/** A parser, given `length` bytes at `at`. What it answers must not depend on where they stand, so no place is absolute. */
export interface Target {
  name: string;
  run(view: DataView, at: number, length: number): unknown;
}

export const TARGETS: readonly Target[] = [
  {
    name: "control block",
    run: (view, at, length) => {
      const block = new ControlBlock();
      return block.read(view, at, length) && [plainBlock(block), block.userBytes];
    },
  },
  {
    name: "control body",
    run: (view, at, length) => {
      const reader = new BodyReader();
      if (!reader.begin(view, at, length)) return reader.next();
      return [
        readFields(reader),
        Array.from({ length: 16 }, (_, kind) => hasRequiredFields(kind, reader.seen)),
      ];
    },
  },
  {
    name: "control packet",
    run: (view, at, length) => {
      const block = new ControlBlock();
      const reader = new BodyReader();
      return block.read(view, at, length) && reader.begin(view, at, block.userBytes) && readFields(reader);
    },
  },
  {
    name: "flow",
    run: (view, at, length) => {
      const flow = new Flow();
      if (!flow.parse(view, at, length)) return false;
      inside(flow.packetBytes, length);
      return [plainFlow(flow), flow.transportAt - at, flow.payloadAt - at];
    },
  },
  {
    name: "TUN packet",
    run: (view, at, length) => {
      const packet = new TunPacket();
      if (!packet.parse(view, at, length)) return false;
      inside(packet.payloadAt + packet.payloadBytes - at, length);
      const { version, ipBytes, protocol, transportBytes, payloadBytes, segments, segmentBytes } = packet;
      return { version, ipBytes, protocol, transportBytes, payloadBytes, segments, segmentBytes };
    },
  },
  {
    name: "headers",
    run: (view, at, length) => [
      ipv4HeaderBytes(view, at, length),
      isIpv6(view, at, length) && ipv6Chain(view, at, length),
      tcpHeaderBytes(view, at, length),
      icmpEchoId(view, at, length),
      icmpv6EchoId(view, at, length),
    ],
  },
  { name: "printing a datagram", run: (view, at, length) => printable(printDatagram(view, at, length)) },
  { name: "printing a body", run: (view, at, length) => printable(printBody(view, at, length)) },
  { name: "printing a packet", run: (view, at, length) => printable(printPacket(view, at, length)) },
];

function inside(end: number, length: number): void {
  if (end > length) throw new Error(`points ${end - length} bytes behind the end`);
}

function printable(line: string): string {
  if (/\p{C}/u.test(line)) throw new Error(`not printable: ${JSON.stringify(line)}`);
  if (line.length > 4000) throw new Error(`${line.length} characters long`);
  return line;
}
