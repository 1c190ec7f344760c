import { expect, it } from "vitest";
import { originalOf, withKept } from "../../../src/host/kept-text.ts";

const ours = (tun: string) =>
  `# By mpip for ${tun}; what stood here comes back when it ends.\nnameserver 10.77.0.2\n`;

it("a text of ours shows what stood there, in comments", () => {
  expect(withKept(ours("mpip0"), "search example.org\nnameserver 192.0.2.53\n")).toBe(`${ours("mpip0")}\
# What stood here:
#| search example.org
#| nameserver 192.0.2.53
#| 
`);
});

it.each([
  undefined,
  "",
  "\n",
  "nameserver 192.0.2.53",
  "nameserver 192.0.2.53\n\n",
  "a\r\nb \r\n",
  "#| a\n# What stood here:\n#| b\n",
])("what stood there is found in it: %j", (original) => {
  expect(originalOf(original)).toBe(original);
  const first = withKept(ours("mpip0"), original);
  expect(originalOf(first)).toBe(original);
  // Another daemon finds that of the first one.
  expect(originalOf(withKept(ours("mpip1"), originalOf(first)))).toBe(original);
});
