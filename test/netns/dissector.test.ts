import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type { PlainField } from "../naive/body.ts";
import { encodeTrailer, type PlainBlock } from "../naive/trailer.ts";
import { fromHex, vectors } from "../vectors/load.ts";

const SCRIPT = fileURLToPath(new URL("../../tools/dissector/mpip.lua", import.meta.url));
const PORT = 7000;

/** A part of what tshark says of a packet: text, or parts by name; what occurs more than once is in an array. */
type Part = string | Part[] | { [name: string]: Part };

class Shown {
  private readonly part: Part | undefined;

  constructor(part: Part | undefined) {
    this.part = part;
  }

  /** What has that name in this part. */
  all(name: string): Shown[] {
    if (typeof this.part !== "object" || Array.isArray(this.part)) return [];
    const found = this.part[name];
    if (found === undefined) return [];
    return (Array.isArray(found) ? found : [found]).map((part) => new Shown(part));
  }

  has(name: string): boolean {
    return this.all(name).length > 0;
  }

  one(name: string): Shown {
    return this.all(name)[0] ?? new Shown(undefined);
  }

  texts(name: string): (string | undefined)[] {
    return this.all(name).map(({ part }) => (typeof part === "string" ? part : undefined));
  }

  text(name: string): string | undefined {
    return this.texts(name)[0];
  }

  number(name: string): number {
    return Number(this.text(name));
  }
}

const directory = mkdtempSync(join(tmpdir(), "mpip-dissector-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe("the Wireshark dissector", () => {
  interface Vector {
    why: string;
    name: string;
    hex: string;
    userBytes: number;
    block: PlainBlock;
    fields?: PlainField[] | null;
  }
  const datagrams = vectors<Vector>("datagrams");
  const packets = dissect(datagrams.map(({ hex }) => fromHex(hex)));
  const named = (name: string) => packets[datagrams.findIndex((vector) => vector.name === name)]!;

  it.each(datagrams.map((vector, i) => ({ ...vector, mpip: packets[i]!.one("mpip") })))(
    "shows the control block: $why",
    ({ block, mpip }) => {
      expect(shownBlock(mpip)).toEqual(block);
      expect(mpip.has("mpip.sequence")).toBe((block.flags & 0x10) !== 0);
    },
  );

  it.each(datagrams.map((vector, i) => ({ ...vector, mpip: packets[i]!.one("mpip") })))(
    "shows the body of control packets: $why",
    ({ name, fields, mpip }) => {
      const isUnknown = name === "unknown";
      expect(isMalformed(mpip)).toBe(fields === null);
      expect(shownFields(mpip)).toEqual(isUnknown ? [] : (fields ?? []));
    },
  );

  it("takes the flags apart", () => {
    const flags = named("data-compact-udp").one("mpip").one("mpip.flags_tree");
    expect(
      ["sequenced", "no_checksum", "copy", "sealed"].map((flag) => flags.number(`mpip.flags.${flag}`)),
    ).toEqual([1, 1, 1, 0]);
    expect(named("sealed").one("mpip").one("mpip.flags_tree").number("mpip.flags.sealed")).toBe(1);
  });

  it("hands the packet of the full form on", () => {
    const ipv4 = named("data-full");
    expect(ipv4.all("ip").map((ip) => ip.text("ip.src"))).toEqual(["192.0.2.1", "10.77.0.1"]);
    expect([ipv4.one("tcp").text("tcp.dstport"), ipv4.one("tcp").text("tcp.payload")]).toEqual([
      "80",
      "68:65:6c:6c:6f",
    ]);
    const ipv6 = named("data-full-ipv6");
    expect(ipv6.one("ipv6").text("ipv6.src")).toBe("2001:db8::1");
    expect(ipv6.all("udp").map((udp) => udp.text("udp.dstport"))).toEqual([`${PORT}`, "443"]);
  });

  it("shows user data that it cannot look into", () => {
    const user = (name: string) => named(name).one("mpip").text("mpip.user");
    expect(user("data-compact-udp")).toBe("68:65:6c:6c:6f");
    expect(user("data-compact-empty")).toBeUndefined();
    expect(user("sealed")).toBe("00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff");
    expect(user("unknown")).toBe("0e:00:01:01");
  });

  it("agrees with the parsers about which bodies are to be rejected, and shows the others", () => {
    const bodies = vectors<{ why: string; hex: string; fields: PlainField[] | null }>("control-body");
    const heartbeat: PlainBlock = { ...datagrams[0]!.block, flags: 0x06 };
    const shown = dissect(bodies.map(({ hex }) => Buffer.concat([fromHex(hex), encodeTrailer(heartbeat)])));
    bodies.forEach(({ why, fields }, i) => {
      const mpip = shown[i]!.one("mpip");
      expect([why, isMalformed(mpip)]).toEqual([why, fields === null]);
      if (fields !== null) expect([why, shownFields(mpip)]).toEqual([why, fields]);
    });
  });

  it("says what is too short", () => {
    const lengths = [1, 24, 25, 28];
    const shown = dissect(lengths.map((length) => new Uint8Array(length).fill(0xff)));
    expect(shown.map((packet) => hasExpert(packet.one("mpip"), "mpip.too_short"))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(shown.map((packet) => packet.one("mpip").has("mpip.node"))).toEqual([false, false, false, false]);
  });

  it("says that a capture lacks the end of the datagram", () => {
    const [shown] = dissect([fromHex(datagrams[0]!.hex)], { snapBytes: 80 });
    expect(hasExpert(shown!.one("mpip"), "mpip.cut")).toBe(true);
    expect(shown!.one("mpip").has("mpip.node")).toBe(false);
  });

  it("looks at another port when it is told to", () => {
    const bytes = [fromHex(datagrams[0]!.hex)];
    expect(dissect(bytes, { port: 7100 })[0]!.has("mpip")).toBe(false);
    expect(dissect(bytes, { port: 7100, arguments: ["-o", "mpip.port:7100"] })[0]!.has("mpip")).toBe(true);
    expect(dissect(bytes, { arguments: ["-o", "mpip.port:7100"] })[0]!.has("mpip")).toBe(false);
  });
});

interface Options {
  port?: number;
  snapBytes?: number;
  arguments?: string[];
}

/** What tshark shows of these datagrams. */
function dissect(datagrams: readonly Uint8Array[], options: Options = {}): Shown[] {
  const file = join(directory, "datagrams.pcap");
  writeFileSync(file, pcap(datagrams, options.port ?? PORT, options.snapBytes ?? 65535));
  const output = execFileSync(
    "tshark",
    [
      "-X",
      `lua_script:${SCRIPT}`,
      "-r",
      file,
      "-T",
      "json",
      "--no-duplicate-keys",
      ...(options.arguments ?? []),
    ],
    { encoding: "utf8", maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "ignore"] },
  );
  const packets: { _source: { layers: Part } }[] = JSON.parse(output);
  expect(packets).toHaveLength(datagrams.length);
  return packets.map(({ _source }) => new Shown(_source.layers));
}

/** The datagrams as if each had been captured in an IPv4 packet that came through a NAT. */
function pcap(datagrams: readonly Uint8Array[], port: number, snapBytes: number): Uint8Array {
  const LINKTYPE_RAW = 101;
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(snapBytes, 16);
  header.writeUInt32LE(LINKTYPE_RAW, 20);
  const records = datagrams.map((datagram, i) => {
    const packet = Buffer.concat([outerHeaders(datagram.length, port), datagram]);
    const record = Buffer.alloc(16);
    record.writeUInt32LE(i, 0);
    record.writeUInt32LE(Math.min(packet.length, snapBytes), 8);
    record.writeUInt32LE(packet.length, 12);
    return Buffer.concat([record, packet.subarray(0, snapBytes)]);
  });
  return Buffer.concat([header, ...records]);
}

function outerHeaders(userBytes: number, port: number): Uint8Array {
  const headers = Buffer.from(
    "4500000000004000401100 00c0000201c6336407 9c41000000000000".replaceAll(" ", ""),
    "hex",
  );
  headers.writeUInt16BE(headers.length + userBytes, 2);
  headers.writeUInt16BE(port, 22);
  headers.writeUInt16BE(8 + userBytes, 24);
  return headers;
}

function isMalformed(mpip: Shown): boolean {
  return hasExpert(mpip, "mpip.malformed");
}

function hasExpert(mpip: Shown, name: string): boolean {
  return mpip.all("_ws.expert").some((expert) => expert.has(name));
}

function shownBlock(mpip: Shown): PlainBlock {
  const address = mpip.text("mpip.address")!;
  return {
    node: mpip.text("mpip.node")!,
    session: mpip.text("mpip.session")!.slice(2),
    address: address === "0.0.0.0" ? null : address,
    flags: mpip.number("mpip.flags"),
    path: mpip.number("mpip.path"),
    feedbackPath: mpip.number("mpip.feedback_path"),
    timestampUs: mpip.number("mpip.timestamp"),
    delayUs: mpip.number("mpip.delay"),
    sequence: mpip.has("mpip.sequence") ? mpip.number("mpip.sequence") : 0,
  };
}

/** The fields of a body, without those of unknown types. */
function shownFields(mpip: Shown): PlainField[] {
  return mpip.all("mpip.field").flatMap((field): PlainField[] => {
    const number = (name: string) => field.number(`mpip.${name}`);
    const hex = (name: string) => field.text(`mpip.${name}`)!.slice(2);
    const addresses = (name: string) => {
      const ports = field.texts("mpip.list.port").map(Number);
      return field.texts(`mpip.list.${name}`).map((address, i): [string, number] => [address!, ports[i]!]);
    };
    switch (number("field.type")) {
      case 1:
        return [{ nonce: hex("nonce") }];
      case 2:
        return [{ instance: hex("instance") }];
      case 3:
        return [{ addresses: addresses("ipv4") }];
      case 4:
        return [{ addresses: addresses("ipv6") }];
      case 5:
        return [{ token: hex("token") }];
      case 6: {
        const [path, packets, lost] = [
          number("received.path"),
          number("received.packets"),
          number("received.lost"),
        ];
        const bytes = field.text("mpip.received.bytes")!;
        const highest = number("received.highest");
        const carries = number("received.grew") * 2 ** 31 + number("received.carries");
        return [{ received: { path, packets, bytes, lost, highest, carries } }];
      }
      case 7: {
        const [timestampUs, heldUs] = [number("echo.timestamp"), number("echo.held")];
        return [{ echo: { timestampUs, heldUs, path: number("echo.path") } }];
      }
      case 8: {
        const address = field.text("mpip.observed.ipv4") ?? field.text("mpip.observed.ipv6")!;
        return [{ observed: [address, number("observed.port")] }];
      }
      case 9:
        return [{ mtu: number("mtu") }];
      case 10:
        return field.has("mpip.policy.line")
          ? [{ policy: number("policy"), line: number("policy.line"), bytesPerS: number("policy.rate") }]
          : [{ policy: number("policy") }];
      case 11:
        return [{ name: field.text("mpip.name")! }];
      case 12:
        return [{ padding: number("field.length") }];
      case 13:
        return [{ refusal: number("refusal") }];
      case 14:
        return [{ version: number("version") }];
      case 16:
        return [{ closed: field.texts("mpip.closed").map(Number) }];
      case 17:
        return [{ asked: hex("asked") }];
      case 15: {
        const counts = field.texts("mpip.nack.count").map(Number);
        const firsts = field.texts("mpip.nack.first").map(Number);
        const ranges = firsts.map((first, i): [number, number] => [first, counts[i]!]);
        return [{ nack: { path: number("nack.path"), ranges } }];
      }
      default:
        return [];
    }
  });
}
