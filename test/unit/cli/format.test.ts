import { describe, expect, it } from "vitest";
import { availabilityText } from "../../../src/cli/commands/availability.ts";
import { pathsText } from "../../../src/cli/commands/paths.ts";
import { peersText } from "../../../src/cli/commands/peers.ts";
import { sessionsText } from "../../../src/cli/commands/sessions.ts";
import { statusText } from "../../../src/cli/commands/status.ts";
import { CliError, errorReport } from "../../../src/cli/error.ts";
import { bitRate, byteCount, duration, endpoint, milliseconds, percent } from "../../../src/cli/format.ts";
import { ConfigError } from "../../../src/config/parse.ts";
import type { PathView, PeerView, SessionView, StatusView } from "../../../src/control/views.ts";
import { HostError } from "../../../src/host/error.ts";
import { IoError } from "../../../src/io/error.ts";

describe("values", () => {
  it("have three digits and a unit", () => {
    expect([0, 999, 999.6, 12_345, 1e9 / 8].map(byteCount)).toEqual([
      "0 B",
      "999 B",
      "1.00 kB",
      "12.3 kB",
      "125 MB",
    ]);
    expect(bitRate(5e6)).toBe("40.0 Mbit/s");
    expect([undefined, 0, 1234, 25_000, -80].map(milliseconds)).toEqual([
      "-",
      "0.00 ms",
      "1.23 ms",
      "25.0 ms",
      "-0.08 ms",
    ]);
    expect([0, 0.012, 0.5, 1].map(percent)).toEqual(["0 %", "1.2 %", "50 %", "100 %"]);
    expect([undefined, 1200, 90_000, 600_000, 1e7, 1e9].map(duration)).toEqual([
      "-",
      "1.2 s",
      "90 s",
      "10 min",
      "3 h",
      "12 d",
    ]);
    expect([endpoint("10.0.0.1", 7), endpoint("::1", 7)]).toEqual(["10.0.0.1:7", "[::1]:7"]);
  });
});

describe("tables", () => {
  it("show paths", () => {
    const path = {
      peer: "office",
      name: "l0/10.0.0.2",
      local: "10.0.0.1",
      remote: "10.0.0.2",
      port: 7000,
      state: "ready",
      use: "yes",
      delayUs: 5120,
      rttUs: 10_240,
      queuingUs: 300,
      loss: 0.001,
      deliveredBytesPerS: 4.75e6,
      weight: 670,
      mtuBytes: 1500,
      share: 0.67,
    } as PathView;
    const down = {
      ...path,
      name: "l1/fd00::2",
      remote: "fd00::2",
      local: "fd00::1",
      state: "down",
    } as PathView;
    const unknown = {
      delayUs: undefined,
      rttUs: undefined,
      queuingUs: undefined,
      share: 0,
      weight: 1,
      loss: 0,
    };
    const none = { ...unknown, deliveredBytesPerS: 0, weight: 0 };
    const missing = {
      ...path,
      ...none,
      peer: "",
      name: "wwan0",
      local: "",
      remote: "",
      state: "none",
      mtuBytes: 0,
    } as const;
    const views = [
      path,
      { ...down, ...none, use: "backup", why: "silent for 12 s" } as const,
      { ...missing, why: "has no carrier" },
    ];
    expect(pathsText(views)).toBe(
      `PEER    PATH         LOCAL → REMOTE            STATE           DELAY      RTT    QUEUE   LOSS         RATE   MTU  WEIGHT  SHARE  WHY
office  l0/10.0.0.2  10.0.0.1 → 10.0.0.2:7000  ready         5.12 ms  10.2 ms  0.30 ms  0.1 %  38.0 Mbit/s  1500     670   67 %  -
office  l1/fd00::2   fd00::1 → [fd00::2]:7000  down, backup        -        -        -    0 %      0 bit/s  1500       0    0 %  silent for 12 s
-       wwan0        -                         none                -        -        -    0 %      0 bit/s     -       0    0 %  has no carrier
`,
    );
    expect(pathsText([])).toBe("there are no paths: no peer has been heard\n");
  });

  it("show sessions, and how many are left out", () => {
    const session = {
      peer: "office",
      protocol: 6,
      source: "10.77.0.1",
      sourcePort: 40_000,
      destination: "10.77.0.2",
      destinationPort: 22,
      state: "established",
      sentBytes: 1000,
      receivedBytes: 0,
      idleMs: 100,
      rule: "rule-1",
    } as SessionView;
    const echo = {
      ...session,
      protocol: 1,
      sourcePort: 0,
      destinationPort: 0,
      state: "open",
      rule: undefined,
    };
    const text = sessionsText({ total: 5, sessions: [session, echo as unknown as SessionView] });
    expect(text).toContain(
      "office  tcp       10.77.0.1:40000  10.77.0.2:22  established  1.00 kB       0 B  0.1 s  rule-1",
    );
    expect(text).toMatch(/office {2}icmp {6}10\.77\.0\.1 +10\.77\.0\.2 .*-\nand 3 more \(--limit\)\n$/);
    expect(sessionsText({ total: 0, sessions: [] })).toBe("there are no sessions\n");
  });

  it("show who was asked", () => {
    const report = { address: "192.0.2.1", port: 7000, queries: 5, nextQueryInMs: undefined };
    const text = availabilityText([
      { ...report, state: "no", pinned: false, expiresInMs: 90_000 },
      {
        ...report,
        address: "2001:db8::1",
        state: "asking",
        queries: 2,
        pinned: true,
        nextQueryInMs: 2000,
        expiresInMs: undefined,
      },
    ]);
    expect(text).toContain("192.0.2.1:7000      no            5               -          90 s\n");
    expect(text).toContain("[2001:db8::1]:7000  asking        2           2.0 s         never\n");
    expect(availabilityText([])).toBe("nobody has been asked\n");
  });

  it("show peers and status", () => {
    const peer: PeerView = {
      name: "office",
      node: undefined,
      configured: true,
      state: "down",
      paths: 0,
      pathsReady: 0,
      sessions: 0,
      routes: ["10.77.0.2/32"],
      addresses: [],
      heardMsAgo: undefined,
      clashes: 2,
      refusal: undefined,
    };
    expect(peersText([peer])).toMatch(
      /office {2}- +down, 2 ID clashes {2}0 of 0 +0 +- {2}10\.77\.0\.2\/32\n$/,
    );
    expect(peersText([{ ...peer, clashes: 0, refusal: "not configured" }])).toContain(
      "down, refuses us: not configured  0 of 0",
    );
    const none = { calls: 0, messages: 0, refused: 0 };
    const status: StatusView = {
      version: "1.0.0",
      name: "laptop",
      node: "02:00:00:00:00:01",
      pid: 7,
      uptimeMs: 65_000,
      config: { path: "/etc/mpip.yaml", error: "a:1: x\na:2: y" },
      tun: { name: "mpip0", addresses: ["10.77.0.1/24"], mtu: 1443, offloads: [] },
      sockets: [{ device: "l0", address: "10.0.0.1", port: 7000, offloads: ["gso", "gro"] }],
      peers: { total: 2, up: 1 },
      paths: { total: 4, ready: 2 },
      sessions: 3,
      traffic: {
        tunReceived: none,
        tunSent: none,
        netReceived: none,
        netSent: { calls: 2, messages: 9, refused: 1 },
      },
      drops: [{ reason: "not-routed", packets: 4, bytes: 400 }],
      reordering: { held: 7, byEvidence: 1, byTime: 2, byFullness: 4, duplicates: 0 },
      repair: { repaired: 5, rescued: 6, late: 1, givenUp: 2, missed: 8, signalled: 0 },
      rules: [{ name: "ssh", packets: 5, bytes: 500 }],
      quotas: [
        { device: "wwan0", usedBytes: 3.2e9, bytes: 10e9, until: "2026-03-15T12:00:00.000Z", usedUp: "off" },
      ],
    };
    const text = statusText(status);
    expect(text).toContain("config error  a:1: x\nconfig error  a:2: y\n");
    expect(text).toContain("socket        l0 10.0.0.1:7000, offloads: gso gro\n");
    expect(text).toContain("to net        9 messages in 2 calls, and 1 that the kernel refused\n");
    expect(text).toContain("from net      0 messages in 0 calls\n");
    expect(text).toContain(
      "repair        5 packets sent again, 6 from lines that failed, 3 given up, 8 asked for here\n",
    );
    expect(text).toContain("order         7 packets held, gaps given up: 3, 4 times full\n");
    expect(text).toContain("dropped       not-routed: 4 packets, 400 B\n");
    expect(text).toContain("rule          ssh: 5 packets, 500 B\n");
    expect(text).toContain("quota         wwan0: 3.20 GB of 10.0 GB used, until Sun Mar 15 2026\n");
  });
});

it("errors have one line and an exit code", () => {
  expect(errorReport(new ConfigError(["a:1: x", "a:2: y"]))).toEqual({ text: "a:1: x\na:2: y", exitCode: 2 });
  expect(errorReport(new IoError("cannot open it", -16, "end that"))).toMatchObject({ exitCode: 2 });
  expect(errorReport(new HostError("a\nb"))).toEqual({ text: "mpip: a\nmpip: b", exitCode: 2 });
  const denied = Object.assign(new Error("EACCES: permission denied, mkdir '/run/mpip'"), {
    syscall: "mkdir",
  });
  expect(errorReport(denied)).toEqual({ text: `mpip: ${denied.message}`, exitCode: 2 });
  expect(errorReport(new IoError("cannot write /run/x", -28))).toEqual({
    text: "mpip: cannot write /run/x: no space left on device (ENOSPC)",
    exitCode: 1,
  });
  expect(errorReport(Object.assign(new Error("odd words"), { name: "YError" }))).toEqual({
    text: "mpip: odd words; see mpip --help",
    exitCode: 2,
  });
  expect(errorReport(new CliError("no daemon"))).toEqual({ text: "mpip: no daemon", exitCode: 1 });
  expect(errorReport(new Error("bug")).text).toContain("format.test.ts");
});
