import { describe, expect, it } from "vitest";
import { pathReports } from "../../../../src/core/tables/path-report.ts";
import { ControlBlock, KIND_ADDRESSES, KIND_IP_CHANGE } from "../../../../src/core/wire/control-block.ts";
import type { Datagram, SimNode } from "../../../sim/node.ts";
import { ADDRESS_A as A, ADDRESS_B as B, udpPacket } from "../../../sim/packets.ts";
import { hostRoute, ipv4, type LinkOptions, TwoNodes } from "../../../sim/two-nodes.ts";

const local = (link: number, end = 1) => ({
  socket: link,
  device: `l${link}`,
  address: ipv4(10, link, 0, end),
  port: 7000,
  mtu: 1500,
});

const up = (...links: LinkOptions[]) => {
  const nodes = new TwoNodes(links);
  nodes.run(2);
  return nodes;
};

/** Where the paths that work lead to. */
const working = ({ router }: SimNode) =>
  pathReports(router.paths)
    .filter(({ use }) => use === "yes")
    .map(({ remote }) => remote)
    .sort();

const addresses = ({ router }: SimNode) => {
  const [node] = router.nodes.snapshot();
  return node!.addresses.map(({ address, sources }) => `${address} ${sources}`).sort();
};

/** The news among the datagrams that a node sends from now on. */
function newsOf(nodes: TwoNodes, name: "a" | "b") {
  const news: { kind: number; datagram: Datagram; link: number }[] = [];
  nodes.onDatagram = (from, link, datagram) => {
    const block = new ControlBlock();
    const { buffer, byteOffset, length } = datagram.bytes;
    block.read(new DataView(buffer, byteOffset), 0, length);
    const { kind } = block;
    if (from === name && (kind === KIND_ADDRESSES || kind === KIND_IP_CHANGE))
      news.push({ kind, datagram, link });
  };
  return news;
}

describe("a peer whose configuration changes", () => {
  const spec = (low: number, ...lastBytes: number[]) => ({
    name: "b",
    node: { high: 0x0200, low },
    endpoints: lastBytes.map((last) => ({ address: ipv4(10, 0, 0, last), port: 7000 })),
    routes: [hostRoute(10, 99, 0, 2)],
  });
  const remotes = ({ router }: SimNode) => pathReports(router.paths).map(({ remote }) => remote);

  it("is looked for no more where it is not to be, unless it says that it is there", () => {
    const nodes = up({});
    nodes.a.setPeers([spec(2, 2, 9)]);
    nodes.b.setLocals([local(0, 8), local(0, 2)].map((one, i) => ({ ...one, socket: 256 * i })));
    nodes.run(2);
    expect(addresses(nodes.a)).toContain("10.0.0.2 configured,observed,advertised");
    nodes.a.setPeers([spec(2, 2, 8)]);
    nodes.run(2);
    expect(remotes(nodes.a)).not.toContain("10.0.0.9");
    nodes.a.setPeers([spec(2)]);
    nodes.run(2);
    expect(addresses(nodes.a)).toEqual(["10.0.0.2 observed,advertised", "10.0.0.8 observed,advertised"]);
    expect(working(nodes.a)).toEqual(["10.0.0.2", "10.0.0.8"]);
  });

  it("is another node at once when it is given another one", () => {
    const nodes = up({});
    nodes.a.setPeers([spec(7, 2)]);
    nodes.run(3);
    nodes.a.inject(udpPacket(A, B, Uint8Array.of(1)));
    nodes.b.inject(udpPacket(B, A, Uint8Array.of(1)));
    nodes.run(3);
    expect([nodes.a.delivered, nodes.b.delivered]).toEqual([[], []]);
    expect(nodes.a.router.nodes.snapshot()).toEqual([]);
    nodes.a.setPeers([spec(2, 2)]);
    nodes.run(3);
    nodes.a.inject(udpPacket(A, B, Uint8Array.of(1)));
    nodes.run(0.1);
    expect(nodes.b.delivered).toHaveLength(1);
  });
});

describe("a node whose addresses change", () => {
  it("tells on a path that works that another one is over, and sessions go on", () => {
    const nodes = up({ delayUs: 20_000 }, {});
    const news = newsOf(nodes, "a");
    nodes.a.setLocals([local(0)]);
    nodes.run(0.025);
    expect(news.map(({ kind }) => kind)).toEqual([KIND_IP_CHANGE]);
    expect(working(nodes.b)).toEqual(["10.0.0.1"]);
    expect(addresses(nodes.b)).toEqual(["10.0.0.1 configured,observed,advertised", "10.1.0.1 configured"]);
    nodes.a.inject(udpPacket(A, B, Uint8Array.of(1)));
    nodes.run(0.1);
    expect(nodes.b.delivered).toHaveLength(1);
  });

  it("tells of one that is new, which is used at once", () => {
    const nodes = up({ delayUs: 20_000 }, {});
    nodes.a.setLocals([local(0)]);
    nodes.run(5);
    const news = newsOf(nodes, "a");
    nodes.a.setLocals([local(0), local(1, 7)]);
    nodes.run(0.1);
    expect(new Set(news.map(({ kind }) => kind))).toEqual(new Set([KIND_ADDRESSES]));
    expect(working(nodes.b)).toEqual(["10.0.0.1", "10.1.0.7"]);
    expect(addresses(nodes.b)).toEqual([
      "10.0.0.1 configured,observed,advertised",
      "10.1.0.1 configured",
      "10.1.0.7 observed,advertised",
    ]);
  });

  it("is heard though most of the news is lost", () => {
    const nodes = up({ loss: 0.4 }, {});
    nodes.run(5);
    nodes.a.setLocals([local(0)]);
    nodes.run(5);
    expect(addresses(nodes.b)).toEqual(["10.0.0.1 configured,observed,advertised", "10.1.0.1 configured"]);
  });

  it("has its path behind a NAT dropped by its number", () => {
    const nodes = up({ delayUs: 20_000 }, { nat: {} });
    expect(working(nodes.b)).toContain("10.1.0.3");
    nodes.a.setLocals([local(0)]);
    nodes.run(0.025);
    expect(working(nodes.b)).toEqual(["10.0.0.1"]);
  });

  it("stays reachable at addresses that the other side has in its configuration", () => {
    const nodes = up({ delayUs: 20_000 }, {});
    nodes.b.setLocals([{ ...local(0, 2) }]);
    nodes.run(0.1);
    expect(addresses(nodes.a)).toEqual(["10.0.0.2 configured,observed,advertised", "10.1.0.2 configured"]);
    nodes.b.setLocals([local(0, 2), local(1, 2)]);
    nodes.run(0.5);
    expect(working(nodes.a)).toEqual(["10.0.0.2", "10.1.0.2"]);
  });

  it("tells when it comes back with another address after all were lost", () => {
    const nodes = up({ delayUs: 20_000 }, { nat: {} });
    nodes.a.inject(udpPacket(A, B, Uint8Array.of(1)));
    nodes.run(1);
    nodes.a.setLocals([]);
    nodes.run(60);
    nodes.a.setLocals([local(1, 9)]);
    nodes.run(1);
    expect(working(nodes.b)).toContain("10.1.0.3");
    const [node] = nodes.b.router.nodes.snapshot();
    expect(node!.addresses.map(({ address }) => address).sort()).toEqual(["10.1.0.3", "10.1.0.9"]);
    nodes.b.delivered.length = 0;
    nodes.a.inject(udpPacket(A, B, Uint8Array.of(2)));
    nodes.run(0.1);
    expect(nodes.b.delivered).toHaveLength(1);
    expect(nodes.b.router.sessions.slab.size).toBe(1);
  });

  it("is not believed when old news comes late", () => {
    const nodes = up({ delayUs: 20_000 }, {});
    const news = newsOf(nodes, "a");
    nodes.a.setLocals([local(0)]);
    nodes.run(1);
    const late = news.find(({ kind }) => kind === KIND_IP_CHANGE)!;
    nodes.a.setLocals([local(0), local(1, 7)]);
    nodes.run(1);
    nodes.b.receive(late.datagram);
    nodes.run(0.1);
    expect(working(nodes.b)).toEqual(["10.0.0.1", "10.1.0.7"]);
  });
});
