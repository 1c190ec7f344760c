import { expect, it } from "vitest";
import { needsRestart, withoutRestart } from "../../../src/config/diff.ts";
import { parseConfig } from "../../../src/config/parse.ts";

const config = (text: string) => parseConfig(text, "f.yaml");
const running = config("port: 7000\ntun: { address: 10.77.0.1/24 }\n");

it("takes over what can change, and names what cannot", () => {
  const wanted = config(`port: 7001
forward: true
tun: { name: other, address: 10.78.0.1/24, mtu: 1400 }
scheduler: paper
algorithm1: { step: 5 }
wire: paper
offloads: { tso: false }
`);
  const fixed = ["port", "tun.name", "scheduler", "algorithm1", "wire", "offloads"];
  expect(needsRestart(running, wanted)).toEqual(fixed);
  expect(withoutRestart(running, wanted)).toEqual({
    ...running,
    forward: true,
    tun: { ...wanted.tun, name: "mpip0" },
  });
});

it("finds nothing where only the text differs", () => {
  const same = config("# a comment\ntun:\n  address: [10.77.0.1/24]\n");
  expect(needsRestart(running, same)).toEqual([]);
  expect(withoutRestart(running, same)).toEqual(running);
});
