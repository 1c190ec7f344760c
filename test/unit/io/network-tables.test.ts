import { describe, expect, it } from "vitest";
import { routeDevices, ruleTables } from "../../../src/io/network-tables.ts";

const IPV4 = 2;
const IPV6 = 10;

const word = (value: number) => [...new Uint8Array(Uint32Array.of(value).buffer)];
const half = (value: number) => [...new Uint8Array(Uint16Array.of(value).buffer)];
const padded = (bytes: number[]) => [...bytes, ...new Array((4 - (bytes.length % 4)) % 4).fill(0)];
const attribute = (type: number, bytes: number[]) =>
  padded([...half(4 + bytes.length), ...half(type), ...bytes]);

/** A message of the kernel's: the body of a route or a rule, with attributes. */
function message(
  { family = IPV4, bits = 0, table = 254, kind = 1, flags = 0 },
  attributes: readonly number[][] = [],
): number[] {
  const body = [family, bits, 0, 0, table, 0, 0, kind, ...word(flags), ...attributes.flat()];
  return padded([...word(16 + body.length), ...half(24), ...half(0), ...word(0), ...word(0), ...body]);
}

const device = (index: number) => attribute(4, word(index));
const all = (...messages: number[][]) => Uint8Array.from(messages.flat());

describe("the devices of default routes", () => {
  const devices = (...messages: number[][]) => [
    ...routeDevices(all(...messages), 4, new Set([254, 100, 70_000])),
  ];

  it("are those of routes for everything, in the tables that are looked at", () => {
    expect(
      devices(
        message({}, [device(1)]),
        message({ bits: 8 }, [device(2)]),
        message({ table: 100 }, [device(3)]),
        message({ table: 101 }, [device(4)]),
        message({ table: 252 }, [attribute(15, word(70_000)), device(5)]),
        message({ family: IPV6 }, [device(6)]),
      ),
    ).toEqual([1, 3, 5]);
  });

  it("are not those of routes that lead nowhere", () => {
    expect(devices(message({ kind: 7 }, [device(1)]), message({ flags: 1 }, [device(2)]))).toEqual([]);
  });

  it("are all of a route that has several", () => {
    const hop = (index: number, flags = 0, attributes: number[] = []) =>
      padded([...half(8 + attributes.length), flags, 0, ...word(index), ...attributes]);
    const hops = attribute(9, [...hop(1, 0, attribute(5, word(9))), ...hop(2, 1), ...hop(3)]);
    expect(devices(message({}, [hops]))).toEqual([1, 3]);
  });
});

it("tables are looked at if a rule names them for what is sent without a mark, by whatever source", () => {
  const rules = all(
    message({ table: 255 }),
    message({ table: 100 }, [attribute(2, word(0x0100000a))]),
    message({ table: 101 }, [attribute(10, word(7))]),
    message({ table: 102, flags: 2 }, [attribute(10, word(7))]),
    message({ table: 103 }, [attribute(3, [0x65, 0])]),
    message({ table: 104 }, [attribute(3, [0x6c, 0x6f, 0])]),
    message({ table: 105, bits: 8 }),
    message({ table: 106, kind: 6 }),
    message({ table: 107, family: IPV6 }),
    message({ table: 252 }, [attribute(15, word(70_000))]),
  );
  expect([...ruleTables(rules, 4)]).toEqual([255, 100, 104, 70_000]);
});
