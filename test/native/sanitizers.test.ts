import { mkdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../tools/lab/command.ts";
import { ROOT, runScenario, type Scenarios } from "../helpers/child.ts";
import { temporaryDirectory } from "../helpers/compile.ts";
import { TestNamespace } from "../helpers/namespace.ts";
import { addonFindings, SanitizedCopy, sanitizerLibraries } from "../helpers/sanitized.ts";

let namespace: TestNamespace;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let copy: SanitizedCopy;

beforeAll(async () => {
  directory = await temporaryDirectory();
  await mkdir(`${directory.path}/copy`);
  copy = await SanitizedCopy.make(`${directory.path}/copy`);
  namespace = await TestNamespace.create("sanitized", [
    "link set lo mtu 1500",
    ...["10.1.0.1/32", "10.1.0.2/32"].map((address) => `addr add ${address} dev lo`),
    ...["fd01::1/128", "fd01::2/128"].map((address) => `-6 addr add ${address} dev lo nodad`),
    "route add unreachable 10.1.0.9/32",
    "-6 route add unreachable fd01::9/128",
  ]);
  await namespace.quiet();
}, 180_000);
afterAll(async () => {
  await namespace?.remove();
  await directory?.remove();
});

describe("the addon under AddressSanitizer, LeakSanitizer and UBSan", () => {
  // All of its functions, on the ways that work and on those that fail.
  const programs: [program: string, scenario: string, args: unknown[]][] = [
    ["native", "wrong", []],
    ["native", "pieces", []],
    ["native", "garbage", [1, 1000]],
    ["native", "garbage", [2, 1000]],
    ["native", "polls", []],
    ["native", "announcements", []],
    ["native", "records", []],
    ["native", "leaks", [10]],
    ["port-contract", "datagrams", [4]],
    ["port-contract", "datagrams", [6]],
    ["port-contract", "tun", [{}]],
    ["port-contract", "tun", [{ checksum: false }]],
    ["offloads", "udp", [4, { gso: false }]],
    ["tun", "taken", []],
    ["tun", "link", []],
    ["tun", "upAndDown", []],
    ["tun", "deleted", []],
    ["tun-traffic", "tcp", [{}, true, 1 << 20]],
    ["tun-traffic", "udp", [{}, false, 5]],
    ["event-loop", "closeEachOther", []],
    ["event-loop", "reopen", [20]],
    ["event-loop", "throwing", []],
    ["event-loop", "exiting", []],
    ["event-loop", "workers", ["floods", 3]],
    ["event-loop", "workers", ["idles", 2]],
    ["event-loop", "workers", ["throws", 2]],
    ["event-loop", "together", [3]],
  ];

  it("are what the tests below run with", async () => {
    const loaded = await runScenario<Scenarios, string>(
      "test/native/native-child.ts",
      "loaded",
      [] as never,
      copy.where({ namespace: namespace.name }, "loaded"),
    );
    expect(loaded).toEqual([`${directory.path}/copy/native/build/Release/mpip_sanitized.node`]);
  });

  it.each(programs)("%s: %s %j", async (program, scenario, args) => {
    const label = `${program}-${scenario}-${JSON.stringify(args).replace(/\W+/g, "-")}`;
    const where = copy.where({ namespace: namespace.name, node: ["--expose-gc"] }, label);
    await runScenario<Scenarios, string>(`test/native/${program}-child.ts`, scenario, args as never, where);
    expect(await copy.findings(label)).toEqual([]);
  });
});

describe("the sanitizers", () => {
  let library: string;

  beforeAll(async () => {
    library = `${directory.path}/leaking.node`;
    const headers = (await run(["node", "-p", "process.execPath"])).stdout
      .trim()
      .replace(/bin\/node$/, "include/node");
    const flags = ["-shared", "-fPIC", "-std=c++17", "-O1", "-g", "-fno-omit-frame-pointer"];
    const sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"];
    const source = `${ROOT}test/native/leaking-addon.cc`;
    await run(["c++", ...flags, ...sanitize, `-I${headers}`, "-o", library, source]);
  });

  it.each([
    ["leak", /Direct leak of 123 byte/],
    ["overrun", /heap-buffer-overflow|insufficient space/],
    ["overflow", /signed integer overflow/],
  ])("see a mistake of an addon: %s", async (mistake, report) => {
    const script = `process.dlopen(module, ${JSON.stringify(library)}); module.exports.${mistake}();`;
    const { stderr } = await run([process.execPath, "-e", script], {
      allowFailure: true,
      env: {
        LD_PRELOAD: await sanitizerLibraries(),
        ASAN_OPTIONS: "detect_leaks=1",
        LSAN_OPTIONS: "exitcode=0",
      },
    });
    expect(stderr).toMatch(report);
    expect(addonFindings(stderr, ["leaking-addon.cc"]).length).toBeGreaterThan(0);
  });
});
