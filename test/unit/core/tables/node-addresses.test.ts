import { describe, expect, it } from "vitest";
import { NONE } from "../../../../src/core/base/ids.ts";
import {
  ADDRESS_ADVERTISED,
  ADDRESS_CONFIGURED,
  ADDRESS_OBSERVED,
  type AddressSlot,
  NODE_ADDRESSES_MAX,
  NodeAddresses,
} from "../../../../src/core/tables/node-addresses.ts";
import { ip4, node, SEED } from "./fixtures.ts";

const [A, B, C] = [node(0), node(1), node(2)];
const PRIVATE = ip4(192, 168, 1, 5);

function list(addresses: NodeAddresses, of = A) {
  return addresses
    .snapshot(of)
    .map(({ address, port, sources }) => `${address}:${port} ${sources.join("+")}`);
}

describe("the addresses of nodes", () => {
  it("are found by address and port, and by node", () => {
    const addresses = new NodeAddresses(4, SEED);
    const slot = addresses.learn(B, PRIVATE, 0, 7000, ADDRESS_OBSERVED, 5) as AddressSlot;
    expect(addresses.find(PRIVATE, 0, 7000)).toBe(B);
    expect(addresses.find(PRIVATE, 0, 7001)).toBe(NONE);
    expect(addresses.findOf(B, PRIVATE, 0, 7000)).toBe(slot);
    expect(addresses.findOf(A, PRIVATE, 0, 7000)).toBe(NONE);
    expect(addresses.port(slot)).toBe(7000);
    expect([...addresses.words.subarray(addresses.wordsAt(slot)).subarray(0, 4)]).toEqual([...PRIVATE]);
  });

  it("tell nodes behind one address apart by the port", () => {
    const addresses = new NodeAddresses(4, SEED);
    addresses.learn(A, PRIVATE, 0, 1, ADDRESS_OBSERVED, 0);
    addresses.learn(B, PRIVATE, 0, 2, ADDRESS_OBSERVED, 0);
    expect([addresses.find(PRIVATE, 0, 1), addresses.find(PRIVATE, 0, 2)]).toEqual([A, B]);
  });

  it("may be the same for several nodes; the most certain is meant, then the one seen last", () => {
    const addresses = new NodeAddresses(4, SEED);
    addresses.learn(A, PRIVATE, 0, 1, ADDRESS_ADVERTISED, 9);
    addresses.learn(B, PRIVATE, 0, 1, ADDRESS_ADVERTISED, 5);
    expect(addresses.find(PRIVATE, 0, 1)).toBe(A);
    addresses.learn(B, PRIVATE, 0, 1, ADDRESS_ADVERTISED, 10);
    expect(addresses.find(PRIVATE, 0, 1)).toBe(B);
    addresses.learn(A, PRIVATE, 0, 1, ADDRESS_OBSERVED, 3);
    expect(addresses.find(PRIVATE, 0, 1)).toBe(A);
    addresses.learn(C, PRIVATE, 0, 1, ADDRESS_CONFIGURED, 0);
    expect(addresses.find(PRIVATE, 0, 1)).toBe(C);
    addresses.forgetNode(C);
    addresses.forgetNode(A);
    expect(addresses.find(PRIVATE, 0, 1)).toBe(B);
    addresses.forgetNode(B);
    expect(addresses.find(PRIVATE, 0, 1)).toBe(NONE);
  });

  it("stay as long as one of their sources does", () => {
    const addresses = new NodeAddresses(4, SEED);
    const slot = addresses.learn(A, PRIVATE, 0, 1, ADDRESS_ADVERTISED, 0) as AddressSlot;
    addresses.learn(A, PRIVATE, 0, 1, ADDRESS_OBSERVED, 1);
    expect(list(addresses)).toEqual(["192.168.1.5:1 observed+advertised"]);
    addresses.retract(slot, ADDRESS_OBSERVED);
    expect(list(addresses)).toEqual(["192.168.1.5:1 advertised"]);
    addresses.retract(slot, ADDRESS_ADVERTISED);
    expect(list(addresses)).toEqual([]);
  });

  it("give way when there are too many: the least certain, then the one seen longest ago", () => {
    const addresses = new NodeAddresses(4, SEED);
    addresses.learn(A, PRIVATE, 0, 1, ADDRESS_CONFIGURED, 0);
    addresses.learn(A, PRIVATE, 0, 2, ADDRESS_OBSERVED, 1);
    for (let i = 2; i < NODE_ADDRESSES_MAX; i++) {
      addresses.learn(A, PRIVATE, 0, 100 + i, ADDRESS_ADVERTISED, 100 - i);
    }
    const oldest = 100 + NODE_ADDRESSES_MAX - 1;
    expect(addresses.learn(A, PRIVATE, 0, 3, ADDRESS_ADVERTISED, 200)).not.toBe(NONE);
    expect(addresses.find(PRIVATE, 0, oldest)).toBe(NONE);
    expect(addresses.snapshot(A).length).toBe(NODE_ADDRESSES_MAX);
    for (let port = 1000; port < 1000 + 2 * NODE_ADDRESSES_MAX; port++) {
      addresses.learn(A, PRIVATE, 0, port, ADDRESS_OBSERVED, 300 + port);
    }
    // All that is left besides the last observed ones is what was configured.
    expect(list(addresses)[0]).toBe("192.168.1.5:1 configured");
    expect(addresses.find(PRIVATE, 0, 3)).toBe(NONE);
    expect(addresses.learn(A, PRIVATE, 0, 4, ADDRESS_ADVERTISED, 9999)).toBe(NONE);
    // Another node has places of its own.
    expect(addresses.learn(B, PRIVATE, 0, 4, ADDRESS_ADVERTISED, 9999)).not.toBe(NONE);
  });

  it("never give way when they are configured", () => {
    const addresses = new NodeAddresses(4, SEED);
    for (let i = 0; i < NODE_ADDRESSES_MAX; i++) addresses.learn(A, PRIVATE, 0, i, ADDRESS_CONFIGURED, i);
    expect(addresses.learn(A, PRIVATE, 0, 999, ADDRESS_CONFIGURED, 999)).toBe(NONE);
  });

  it("can be gone through", () => {
    const addresses = new NodeAddresses(4, SEED);
    for (const port of [1, 2, 3]) addresses.learn(B, PRIVATE, 0, port, ADDRESS_OBSERVED, 0);
    addresses.forget(addresses.findOf(B, PRIVATE, 0, 2) as AddressSlot);
    const ports: number[] = [];
    for (let slot = addresses.first(B); slot !== NONE; slot = addresses.after(slot)) {
      ports.push(addresses.port(slot));
    }
    expect(ports).toEqual([1, 3]);
    expect(addresses.first(A)).toBe(NONE);
  });
});
