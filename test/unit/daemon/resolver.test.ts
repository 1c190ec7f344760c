import { expect, it } from "vitest";
import { parseConfig } from "../../../src/config/parse.ts";
import { Resolver } from "../../../src/daemon/resolver.ts";
import { formatAddress } from "../../../src/io/address.ts";
import { logLines } from "../../helpers/log-lines.ts";

it("peers get the addresses of their names, and keep them while the names say nothing", async () => {
  const { log, lines } = logLines();
  let isUp = true;
  const resolver = new Resolver(log, async (host) => {
    if (!isUp) throw Object.assign(new Error("no"), { code: "EAI_AGAIN" });
    return host === "a.example" ? ["192.0.2.1", "2001:db8::1"] : [];
  });
  const { peers } = parseConfig(
    `tun: { address: 10.77.0.1/24 }
peers:
  - { name: a, node: "02ffffffff01", endpoints: ["a.example:8000", 192.0.2.7], routes: 10.77.0.2 }
  - { name: b, endpoints: b.example, routes: 10.77.0.3 }
`,
    "f.yaml",
  );
  const ends = async () => {
    const specs = await resolver.resolve(peers, 7000);
    return specs.map(({ endpoints }) =>
      endpoints.map(({ address, port }) => `${formatAddress(address)} ${port}`),
    );
  };
  const expected = [["192.0.2.1 8000", "2001:db8::1 8000", "192.0.2.7 7000"], []];
  expect(await ends()).toEqual(expected);
  isUp = false;
  expect(await ends()).toEqual(expected);
  expect(await ends()).toEqual(expected);
  expect(lines).toEqual([
    "warn: a.example cannot be resolved (EAI_AGAIN); it will be tried again",
    "warn: b.example cannot be resolved (EAI_AGAIN); it will be tried again",
  ]);
  expect(["a.example", "b.example", "192.0.2.7"].map((host) => resolver.isUnresolved(host))).toEqual([
    false,
    true,
    false,
  ]);
  const [first] = await resolver.resolve(peers, 7000);
  expect(first!.node).toEqual({ high: 0x02ff, low: 0xffffff01 | 0 });
});
