import { pino } from "pino";
import { Plan } from "../../src/core/batch/plan.ts";
import { parseAddress } from "../../src/io/address.ts";
import { native, openArena } from "../../src/io/native.ts";
import { openTun } from "../../src/io/tun.ts";
import { openUdpPort } from "../../src/io/udp.ts";
import { Pipe, pipeArenaBytes } from "../../tools/bench/pipe.ts";
import { concat, ipv4Header, pattern, tcpHeader, udpHeader, vnetHeader } from "../helpers/packets.ts";
import { serve } from "../helpers/scenarios.ts";
import { watchCollector } from "./collector.ts";

// Two pipes in one process, end to end over real devices and sockets:
//
//   packet socket -> left0 -> Pipe -> UDP over loopback, two paths -> Pipe -> right0 -> the kernel, which drops it
//
// and the same from right to left. All of it is driven by hand, so that nothing runs but the pipes.

const MTU = 1400;
const TCP_BYTES = 1300;
const TCP_SEGMENTS = 40;
const UDP_BYTES = 1200;
const UDP_SEGMENTS = 30;
const SINGLE = 15;
const PACKETS_PER_ROUND = TCP_SEGMENTS + UDP_SEGMENTS + 2 * SINGLE;
/** From 127.0.0.1 to itself: whatever the routes are, the kernel's input drops it. */
const NOWHERE = { source: [127, 0, 0, 1], destination: [127, 0, 0, 1] };
const ends = { local: 0x7f000001, remote: 0x7f000001 };

const log = pino({ level: "silent" });

function openEnd(name: string, local: string[], remote: string[]) {
  const arena = openArena(pipeArenaBytes(local.length));
  const tun = openTun({ name, mtu: MTU }, arena, log);
  const udp = openUdpPort(arena, log);
  const paths = local.map((text, k) => ({
    socket: udp.open({ address: parseAddress(text), port: 7000 }),
    remote: parseAddress(remote[k]!),
    remotePort: 7000,
  }));
  return { pipe: new Pipe(arena, tun, udp, paths, ends), tun, udp, paths, tap: native.packetOpen(name) };
}

const tcp = (payload: Uint8Array) =>
  concat(ipv4Header({ protocol: 6, ...NOWHERE, totalLength: 40 + payload.length }), tcpHeader(), payload);
const udp = (payload: Uint8Array) =>
  concat(
    ipv4Header({ protocol: 17, ...NOWHERE, totalLength: 28 + payload.length }),
    udpHeader(8 + payload.length),
    payload,
  );

/** What the host sends in one round: a super-packet of each kind and some single packets, with and without payload. */
function roundOfPackets(): { arena: Uint8Array; plan: Plan } {
  const superTcp = vnetHeader({
    flags: 1,
    gsoType: 1,
    headerLength: 40,
    gsoSize: TCP_BYTES,
    checksumStart: 20,
    checksumOffset: 16,
  });
  const superUdp = vnetHeader({
    flags: 1,
    gsoType: 5,
    headerLength: 28,
    gsoSize: UDP_BYTES,
    checksumStart: 20,
    checksumOffset: 6,
  });
  const packets = [
    concat(superTcp, tcp(pattern(TCP_SEGMENTS * TCP_BYTES))),
    concat(superUdp, udp(pattern(UDP_SEGMENTS * UDP_BYTES))),
    ...Array.from({ length: SINGLE }, () => concat(vnetHeader(), tcp(pattern(0)))),
    ...Array.from({ length: SINGLE }, (_, i) => concat(vnetHeader(), udp(pattern(10 * i)))),
  ];
  const arena = concat(...packets.flatMap((packet) => [packet, Uint8Array.of(0)]));
  const plan = new Plan(64 * packets.length);
  let at = 0;
  for (const packet of packets) {
    plan.begin();
    plan.piece(at, packet.length);
    at += packet.length + 1;
  }
  return { arena, plan };
}

export const scenarios = {
  /**
   * Carries packets in both directions and tells what the collector did meanwhile. With `allocate`, one small object
   * is made for each packet, to show that it would be seen.
   */
  async carry(packets: number, warmUp: number, allocate: boolean) {
    const left = openEnd("left0", ["10.1.0.1", "10.1.0.2"], ["10.1.0.3", "10.1.0.4"]);
    const right = openEnd("right0", ["10.1.0.3", "10.1.0.4"], ["10.1.0.1", "10.1.0.2"]);
    const { arena, plan } = roundOfPackets();
    let kept: unknown;
    let carried = 0;
    let turn = 0;
    const round = () => {
      native.tunWrite(left.tap, 1, arena, plan.words, plan.count);
      native.tunWrite(right.tap, 1, arena, plan.words, plan.count);
      left.pipe.handleTun();
      right.pipe.handleNet(++turn);
      right.pipe.handleTun();
      left.pipe.handleNet(++turn);
      carried += 2 * PACKETS_PER_ROUND;
      if (allocate) for (let i = 0; i < 2 * PACKETS_PER_ROUND; i++) kept = { i };
    };
    const rounds = (count: number) => {
      for (let i = 0; i < count; i += 2 * PACKETS_PER_ROUND) round();
    };
    rounds(warmUp);
    carried = 0;
    const collected = await watchCollector(() => rounds(packets));
    const result = {
      carried,
      ...collected,
      kept: kept !== undefined,
      ends: [left, right].map(({ tun, udp, paths }) => ({
        read: tun.received,
        written: tun.sent,
        sent: udp.counters,
        received: paths.reduce((sum, { socket }) => sum + socket.counters.messages, 0),
      })),
    };
    for (const { tun, udp, tap } of [left, right]) {
      tun.close();
      udp.close();
      native.closeDescriptor(tap);
    }
    return result;
  },
};

await serve(scenarios);
