import { describe, expect, it } from "vitest";
import { sessionReports } from "../../../../src/core/tables/session-report.ts";
import { BLOCK_FLAGS, CONTROL_BLOCK_BYTES, FLAG_SEALED } from "../../../../src/core/wire/control-block.ts";
import { ipv4Header, TCP_FLAG, tcpHeader } from "../../../helpers/packets.ts";
import type { Datagram } from "../../../sim/node.ts";
import {
  ADDRESS_A as A,
  ADDRESS_B as B,
  readStamp,
  stampedPayload,
  tcpPacket,
  udpPacket,
} from "../../../sim/packets.ts";
import { TwoNodes } from "../../../sim/two-nodes.ts";

const udp = udpPacket;
const tcp = (sequence: number, payload: Uint8Array, flags = TCP_FLAG.ack) =>
  tcpPacket(A, B, sequence, payload, { flags });

const payloadOf = (packet: Uint8Array, headerBytes: number) => packet.slice(20 + headerBytes);
const sequenceOf = (packet: Uint8Array) => new DataView(packet.buffer, packet.byteOffset).getUint32(24);
const bytes = (length: number, from = 0) => Uint8Array.from({ length }, (_, i) => (from + i) & 0xff);

function readyPaths(nodes: TwoNodes): number {
  const { paths } = nodes.a.router;
  let ready = 0;
  for (let slot = 0; slot < paths.slab.top; slot++) if (paths.state[slot] === 1) ready++;
  return ready;
}

/** A session in which both sides have spoken, so that the compact form is used. */
function establish(nodes: TwoNodes): void {
  nodes.a.inject(tcp(999, bytes(0), TCP_FLAG.syn));
  nodes.run(0.05);
  const ports = { sourcePort: 2000, destinationPort: 1000 };
  const header = tcpHeader({ ...ports, sequence: 1, flags: TCP_FLAG.syn | TCP_FLAG.ack });
  nodes.b.inject(
    Uint8Array.from([...ipv4Header({ protocol: 6, totalLength: 40, source: B, destination: A }), ...header]),
  );
  nodes.run(0.05);
  nodes.b.delivered.length = 0;
  nodes.a.delivered.length = 0;
}

describe("two routers", () => {
  it("find each other over every link, whatever their clocks show", () => {
    const nodes = new TwoNodes([{}, {}, {}]);
    nodes.run(1);
    expect(readyPaths(nodes)).toBe(3);
  });

  it("carry a datagram unchanged in both directions, in the full and then in the compact form", () => {
    const nodes = new TwoNodes([{}]);
    nodes.run(1);
    for (let round = 0; round < 3; round++) {
      nodes.a.inject(udp(A, B, bytes(300, round)));
      nodes.run(0.05);
      nodes.b.inject(udp(B, A, bytes(200, round), [6000, 5000]));
      nodes.run(0.05);
    }
    expect(nodes.b.delivered.map((packet) => payloadOf(packet, 8))).toEqual(
      [0, 1, 2].map((round) => bytes(300, round)),
    );
    expect(nodes.a.delivered.map((packet) => payloadOf(packet, 8))).toEqual(
      [0, 1, 2].map((round) => bytes(200, round)),
    );
    const addresses = nodes.b.delivered.map((packet) => [...packet.slice(12, 24)]);
    expect(new Set(addresses.map(String)).size).toBe(1);
    expect(addresses[0]).toEqual([...A, ...B, 5000 >> 8, 5000 & 0xff, 6000 >> 8, 6000 & 0xff]);
  });

  it("carry other protocols, fragments and packets with options whole", () => {
    const nodes = new TwoNodes([{}]);
    nodes.run(1);
    const build = (fields: object, body: Uint8Array) => {
      const header = ipv4Header({ protocol: 47, source: A, destination: B, ...fields });
      const packet = Uint8Array.from([...header, ...body]);
      new DataView(packet.buffer).setUint16(2, packet.length);
      return packet;
    };
    const packets = [
      build({ protocol: 47 }, bytes(100)),
      build({ protocol: 17, fragment: 0x2000 }, bytes(64)),
      build({ protocol: 132, options: [7, 4, 4, 0] }, bytes(80)),
    ];
    for (const packet of packets) nodes.a.inject(packet);
    nodes.run(0.1);
    expect(nodes.b.delivered).toEqual(packets);
  });

  it("cut a super-packet into segments that the other side hands on in order", () => {
    const nodes = new TwoNodes([{ delayUs: 1000 }, { delayUs: 9000 }], 1, { scheduler: "paper" });
    nodes.run(1);
    establish(nodes);
    // Both paths bring data, so that it is known what may still come over the slow one.
    for (let k = 0; k < 20; k++) {
      nodes.a.inject(udp(A, B, bytes(10)));
      nodes.run(0.005);
    }
    nodes.run(0.02);
    nodes.b.delivered.length = 0;
    for (let k = 0; k < 20; k++) nodes.a.inject(tcp(1000 + 5000 * k, bytes(5000, k)), 1000);
    nodes.run(1);
    const data = nodes.b.delivered.flatMap((packet) => [...payloadOf(packet, 20)]);
    expect(nodes.b.delivered.map(sequenceOf)).toEqual(Array.from({ length: 100 }, (_, i) => 1000 + 1000 * i));
    expect(data).toEqual(Array.from({ length: 20 }, (_, k) => [...bytes(5000, k)]).flat());
    expect(nodes.b.router.reordering.held).toBeGreaterThan(0);
    const [sent, received] = [nodes.a, nodes.b].map(({ router, nowUs }) =>
      sessionReports(router.sessions, nowUs / 1000).find(({ protocol }) => protocol === 6),
    );
    expect([sent!.sentPackets, sent!.sentBytes]).toEqual([
      received!.receivedPackets,
      received!.receivedBytes,
    ]);
  });

  it("put datagrams in order where the receiver's rules want it, and then only", () => {
    for (const reorder of ["on", "auto"] as const) {
      const nodes = new TwoNodes([{ delayUs: 1000 }, { delayUs: 9000 }], 1, { scheduler: "paper" });
      nodes.b.router.setRules([
        { name: "small", sizeBelow: 100, route: "responsiveness" },
        { name: "it", route: "throughput", protocols: ["udp", "gre"], reorder },
      ]);
      nodes.run(1);
      const gre = (number: number) => {
        const header = ipv4Header({ protocol: 47, totalLength: 120, source: A, destination: B });
        return Uint8Array.from([...header, ...bytes(100, number)]);
      };
      for (let k = 0; k < 200; k++) {
        nodes.a.inject(udp(A, B, bytes(100, k)));
        nodes.a.inject(gre(k));
        // So that the compact form is used from some time on.
        if (k % 50 === 0) nodes.b.inject(udp(B, A, bytes(10), [6000, 5000]));
        nodes.run(0.001);
      }
      nodes.run(1);
      const numbers = (protocol: number, at: number) =>
        nodes.b.delivered.filter((packet) => packet[9] === protocol).map((packet) => packet[at]!);
      const inOrder = Array.from({ length: 200 }, (_, k) => k);
      const ofBoth = [numbers(17, 28), numbers(47, 20)];
      // The first one of a session that comes by a second path.
      const overtaken = ofBoth.map((all) => all.filter((number, i) => i > 0 && number < all[i - 1]!).length);
      for (const all of ofBoth) expect([...all].sort((one, other) => one - other)).toEqual(inOrder);
      if (reorder === "on") expect(Math.max(...overtaken)).toBeLessThanOrEqual(1);
      else expect(Math.min(...overtaken)).toBeGreaterThan(5);
    }
  });

  it.each(["tcp", "udp", "gre"])(
    "put large packets in order, too, as large as lines carry them: %s",
    (protocol) => {
      // MTU and payload; the last ones as large as the router makes use of.
      for (const [mtu, payloadBytes] of [
        [9000, 4000],
        [9000, 8800],
        [65_535, 64_800],
      ] as const) {
        const links = [1000, 9000].map((delayUs) => ({ delayUs, mtu, queueBytes: 10e6 }));
        const nodes = new TwoNodes(links, 1, { scheduler: "paper" });
        nodes.b.router.setRules([{ name: "it", route: "throughput", reorder: "on" }]);
        nodes.run(30);
        const gre = (payload: Uint8Array) => {
          const totalLength = 20 + payload.length;
          return Uint8Array.from([
            ...ipv4Header({ protocol: 47, totalLength, source: A, destination: B }),
            ...payload,
          ]);
        };
        const headerBytes = { tcp: 40, udp: 28, gre: 20 }[protocol]!;
        const order: (number | undefined)[] = [];
        nodes.b.onDelivered = (packet) => order.push(readStamp(packet.subarray(headerBytes))?.number);
        for (let number = 0; number < 100; number++) {
          const payload = stampedPayload({ flow: 1, number }, payloadBytes);
          if (protocol === "tcp") nodes.a.inject(tcp(number * payloadBytes, payload));
          else nodes.a.inject(protocol === "udp" ? udp(A, B, payload) : gre(payload));
          nodes.run(0.001);
        }
        nodes.run(1);
        expect([...order].sort((one, other) => one! - other!)).toEqual(
          Array.from({ length: 100 }, (_, k) => k),
        );
        // The first one of a session that comes by a second path.
        expect(order.filter((number, i) => i > 0 && number! < order[i - 1]!).length).toBeLessThanOrEqual(1);
        expect(nodes.b.router.reordering.held).toBeGreaterThan(10);
        expect(nodes.b.router.reordering.byFullness).toBe(0);
      }
    },
  );

  it("hand fragments on as they are, whatever they are fragments of and whatever is put in order", () => {
    const nodes = new TwoNodes([{ delayUs: 1000 }, { delayUs: 9000 }], 1, { scheduler: "paper" });
    nodes.b.router.setRules([{ name: "it", route: "throughput", reorder: "on" }]);
    nodes.run(1);
    const sent = new Set<string>();
    for (let k = 0; k < 200; k++) {
      for (const protocol of [6, 17]) {
        const fragment = 0x2000 | (k % 8);
        const header = ipv4Header({ protocol, fragment, totalLength: 120, source: A, destination: B });
        const packet = Uint8Array.from([...header, ...bytes(100, k)]);
        sent.add(String(packet));
        nodes.a.inject(packet);
      }
      nodes.run(0.001);
    }
    nodes.run(1);
    expect(nodes.b.delivered).toHaveLength(400);
    expect(new Set(nodes.b.delivered.map(String))).toEqual(sent);
  });

  it("do not hold datagrams that all come by one path, whatever others do", () => {
    const nodes = new TwoNodes([{ delayUs: 1000 }, { delayUs: 19_000 }]);
    nodes.b.router.setRules([{ name: "it", route: "throughput", reorder: "on" }]);
    nodes.a.router.setRules([
      { name: "slow", ports: [{ from: 7000, to: 7000 }], route: { mode: "single-path", path: "l1" } },
      { name: "fast", route: { mode: "single-path", path: "l0" } },
    ]);
    nodes.run(1);
    let latestUs = 0;
    let sentUs = 0;
    nodes.b.onDelivered = (packet) => {
      if (packet[22] === 6000 >> 8) latestUs = Math.max(latestUs, nodes.clock.nowUs - sentUs);
    };
    for (let k = 0; k < 100; k++) {
      nodes.a.inject(udp(A, B, bytes(100, k), [5000, 7000]));
      sentUs = nodes.clock.nowUs;
      nodes.a.inject(udp(A, B, bytes(100, k)));
      nodes.run(0.005);
    }
    expect(latestUs).toBeGreaterThan(0);
    expect(latestUs).toBeLessThan(3000);
  });

  it("do not wait long for a lost segment, and send it again", () => {
    const nodes = new TwoNodes([{ delayUs: 1000, loss: 0.2 }, { delayUs: 5000 }]);
    nodes.run(2);
    establish(nodes);
    for (let k = 0; k < 200; k++) {
      nodes.a.inject(tcp(1000 + 500 * k, bytes(500, k)));
      nodes.run(0.002);
    }
    nodes.run(1);
    const sequences = nodes.b.delivered.map(sequenceOf);
    expect(nodes.lines[0]!.ab.lost).toBeGreaterThan(10);
    expect(sequences.sort((one, other) => one - other)).toEqual(
      Array.from({ length: 200 }, (_, k) => 1000 + 500 * k),
    );
    expect(nodes.b.router.reordering.byEvidence + nodes.b.router.reordering.byTime).toBeGreaterThan(0);
    expect(nodes.a.router.repair.repaired).toBeGreaterThan(10);
  });

  it("do not suspect a path on which a packet goes now and then, whatever the rhythm", () => {
    for (const periodS of [0.087, 0.11, 0.234]) {
      const nodes = new TwoNodes([{}]);
      nodes.run(2);
      for (let k = 0; k < 60 / periodS; k++) {
        nodes.a.inject(udp(A, B, bytes(1000, k)));
        nodes.b.inject(udp(B, A, bytes(1000, k), [6000, 5000]));
        nodes.run(periodS);
        expect([periodS, k, readyPaths(nodes)]).toEqual([periodS, k, 1]);
      }
    }
  });

  it("go on over the other link when one is cut, and use it again when it is back", () => {
    const nodes = new TwoNodes([{}, {}]);
    nodes.run(1);
    const link = nodes.lines[0]!;
    const stream = (seconds: number) => {
      for (let k = 0; k < seconds * 100; k++) {
        nodes.a.inject(udp(A, B, bytes(100, k)));
        nodes.run(0.01);
      }
    };
    stream(3);
    expect(readyPaths(nodes)).toBe(2);
    link.ab.isCut = true;
    link.ba.isCut = true;
    stream(2);
    expect(readyPaths(nodes)).toBe(1);
    const before = nodes.b.delivered.length;
    stream(1);
    expect(nodes.b.delivered.length - before).toBe(100);
    link.ab.isCut = false;
    link.ba.isCut = false;
    stream(6);
    expect(readyPaths(nodes)).toBe(2);
  });

  it("hand on the first of several copies, and never two", () => {
    const nodes = new TwoNodes([{ loss: 0.2 }, { loss: 0.2, delayUs: 4000 }]);
    nodes.run(5);
    nodes.a.router.setRules([
      { name: "safe", protocols: ["udp"], route: { mode: "protected-path", copies: 2 } },
    ]);
    for (let k = 0; k < 1000; k++) {
      nodes.a.inject(udp(A, B, Uint8Array.of(k >> 8, k & 0xff)));
      nodes.run(0.001);
    }
    nodes.run(0.5);
    const numbers = nodes.b.delivered.map((packet) => (packet[28]! << 8) | packet[29]!);
    expect(new Set(numbers).size).toBe(numbers.length);
    // Both copies are lost of 4 % at random; one loss rate alone would be 20 %.
    expect(numbers.length).toBeGreaterThan(920);
  });

  it("hand on nothing of a session that is over, whoever has its place then", () => {
    const nodes = new TwoNodes([{ delayUs: 60_000 }, { delayUs: 100_000 }]);
    nodes.run(2);
    establish(nodes);
    nodes.run(0.5);
    const { ab } = nodes.lines[0]!;
    for (let i = 0; i < 20; i++) {
      ab.isCut = i === 3;
      nodes.a.inject(tcp(1000 + 100 * i, bytes(100)));
      nodes.run(0.001);
    }
    nodes.run(0.062);
    const before = nodes.b.delivered.length;
    expect(before).toBeLessThan(20);
    const { router } = nodes.b;
    router.sessions.closeNode(router.nodes.first() as never);
    nodes.b.inject(udp(B, A, bytes(10), [4000, 4001]));
    nodes.a.isRunning = false;
    nodes.run(1);
    expect(nodes.b.delivered).toHaveLength(before);
    expect(router.drops.snapshot().map(({ reason }) => reason)).toContain("session-closed");
  });

  it("take of a full packet what its length says, and nothing that is sealed", () => {
    const nodes = new TwoNodes([{}]);
    nodes.run(1);
    let last: Datagram | undefined;
    nodes.onDatagram = (from, _, datagram) => {
      if (from === "a") last = datagram;
    };
    const packet = udp(A, B, bytes(300));
    nodes.a.inject(packet);
    nodes.a.isRunning = false;
    const { bytes: whole } = last!;
    const longer = Uint8Array.from([
      ...whole.slice(0, packet.length),
      1,
      2,
      3,
      ...whole.slice(packet.length),
    ]);
    nodes.b.receive({ ...last!, bytes: longer });
    expect(nodes.b.delivered.map((one) => payloadOf(one, 8))).toEqual([bytes(300)]);
    const sealed = whole.slice();
    sealed[sealed.length - CONTROL_BLOCK_BYTES + BLOCK_FLAGS]! |= FLAG_SEALED;
    nodes.b.receive({ ...last!, bytes: sealed });
    expect(nodes.b.delivered).toHaveLength(1);
    expect(nodes.b.router.drops.snapshot()).toContainEqual(
      expect.objectContaining({ reason: "unknown-kind" }),
    );
  });

  it("drop what is behind no peer, and what comes from a node that nobody named", () => {
    const nodes = new TwoNodes([{}]);
    nodes.run(1);
    nodes.a.inject(udp(A, [192, 0, 2, 1], bytes(10)));
    expect(nodes.a.router.drops.snapshot()).toEqual([{ reason: "not-routed", packets: 1, bytes: 38 }]);
    nodes.b.setPeers([]);
    nodes.a.inject(udp(A, B, bytes(10)));
    nodes.run(0.1);
    expect(nodes.b.router.drops.snapshot().map(({ reason }) => reason)).toContain("unknown-node");
    expect(nodes.b.delivered).toEqual([]);
  });

  it("handle segments that the kernel has merged as if each had come alone", () => {
    const count = 12;
    const received = (change: (datagrams: Datagram[]) => Datagram[], isMerged: boolean) => {
      const nodes = new TwoNodes([{}]);
      nodes.run(1);
      establish(nodes);
      const { b } = nodes;
      const caught: Datagram[] = [];
      const receive = b.receive.bind(b);
      b.receive = (datagram) => caught.push(datagram);
      nodes.a.inject(tcp(1000, bytes(100 * count)), 100);
      nodes.run(0.01);
      b.receive = receive;
      const data = change(caught.filter((datagram) => datagram.bytes.length === caught[0]!.bytes.length));
      if (isMerged) b.receive(data[0]!, ...data.slice(1));
      else for (const datagram of data) b.receive(datagram);
      nodes.run(0.5);
      const session = b.router.sessions;
      const counted = [0, 1].map((slot) => [session.receivedPackets[slot], session.receivedBytes[slot]]);
      const { packets, bytes: pathBytes, lost, duplicates } = b.router.paths.arrivals;
      const path = [packets[0]! > 0, lost[0], duplicates[0], pathBytes[0]! > 0];
      return { delivered: b.delivered, counted, path, drops: b.router.drops.packets };
    };
    const changes: ((datagrams: Datagram[]) => Datagram[])[] = [
      (datagrams) => datagrams,
      (datagrams) => datagrams.toSpliced(4, 2),
      (datagrams) => datagrams.toSpliced(5, 0, datagrams[2]!),
      (datagrams) => datagrams.toSpliced(3, 2, datagrams[4]!, datagrams[3]!),
      // Another session, another node, too short for a header.
      ...[19, 24, 3].map((fromEnd) => (datagrams: Datagram[]) => {
        const other = { ...datagrams[6]!, bytes: datagrams[6]!.bytes.slice() };
        other.bytes[other.bytes.length - fromEnd]! ^= 1;
        return datagrams.toSpliced(6, 1, other);
      }),
      (datagrams) => {
        const other = { ...datagrams[6]!, bytes: datagrams[6]!.bytes.slice() };
        other.bytes[12] = 0xf0;
        return datagrams.toSpliced(6, 1, other);
      },
    ];
    expect(received(changes[0]!, true).delivered.length).toBe(count);
    for (const change of changes) expect(received(change, true)).toEqual(received(change, false));
  });
});
