import { parseAddress } from "../../src/io/address.ts";
import { openArena } from "../../src/io/native.ts";
import type { TunOffloads, UdpOffloads } from "../../src/io/port.ts";
import { openTun } from "../../src/io/tun.ts";
import { openUdpPort } from "../../src/io/udp.ts";
import { ENDPOINT_ARENA_BYTES, Endpoint } from "../helpers/endpoint.ts";
import { logLines } from "../helpers/log-lines.ts";
import { pattern } from "../helpers/packets.ts";
import { serve } from "../helpers/scenarios.ts";

const families = { 4: ["10.1.0.1", "10.1.0.2"], 6: ["fd01::1", "fd01::2"] };

function openUdp(family: 4 | 6, wanted: Partial<UdpOffloads>, ring = false) {
  const { log, lines } = logLines();
  const arena = openArena(ENDPOINT_ARENA_BYTES);
  const endpoint = new Endpoint(openUdpPort(arena, log, { ring, offloads: wanted }), arena);
  const [from, to] = families[family].map((text) =>
    endpoint.port.open({ address: parseAddress(text), port: 0 }),
  );
  return { endpoint, lines, from: from!, to: to! };
}

export const scenarios = {
  /** Opens sockets, sends some bursts, and tells what is on, what was logged and what arrived. */
  udp(family: 4 | 6, wanted: Partial<UdpOffloads> = {}, ring = false) {
    const { endpoint, lines, from, to } = openUdp(family, wanted, ring);
    const offloads = { ...from.offloads };
    const bursts = [0, 1, 2, 3].map((seed) => pattern(5000 + seed, seed));
    const message = { to: parseAddress(families[family][1]!), port: to.port, segment: 1000 };
    // By two sockets, so that each of them has several messages in one plan.
    const second = endpoint.port.open({ address: parseAddress(families[family][0]!), port: 0 });
    const { sent, statuses } = endpoint.send(
      ...bursts.map((bytes, i) => ({ ...message, socket: i % 2 === 0 ? from : second, bytes })),
    );
    const received = endpoint.receive(to);
    endpoint.port.close();
    return {
      offloads,
      after: { ...from.offloads },
      lines,
      sent,
      statuses,
      calls: endpoint.port.counters,
      datagrams: received.map(({ bytes }) => bytes.length),
      whole: Buffer.concat(received.map(({ bytes }) => bytes)).equals(Buffer.concat(bursts)),
    };
  },

  /** Sends messages of so many datagrams of 100 bytes, one by one, in one plan. */
  oneByOne(counts: number[]) {
    const { endpoint, from, to } = openUdp(4, { gso: false, gro: false });
    const message = { socket: from, to: parseAddress(families[4][1]!), port: to.port, segment: 100 };
    const { sent, statuses } = endpoint.send(
      ...counts.map((count, i) => ({ ...message, bytes: new Uint8Array(100 * count).fill(i) })),
    );
    const received = endpoint.receive(to).map(({ bytes }) => bytes[0]!);
    endpoint.port.close();
    return { sent, statuses, received: counts.map((_, i) => received.filter((from) => from === i).length) };
  },

  tun(wanted: Partial<TunOffloads> = {}) {
    const { log, lines } = logLines();
    const arena = openArena(ENDPOINT_ARENA_BYTES).fill(0xa5);
    const tun = openTun({ name: "offload0", mtu: 1400, ring: false, offloads: wanted }, arena, log);
    const { offloads } = tun;
    tun.close();
    return { offloads, lines, arenaUntouched: arena.every((byte) => byte === 0xa5) };
  },
};

await serve(scenarios);
