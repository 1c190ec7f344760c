import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  contentSha256,
  contentUrl,
  curl,
  type Host,
  ping,
  startContentServer,
  udpStream,
} from "../../tools/lab/index.ts";
import { FAR, FAR6, Tunnel } from "./tunnel.ts";

const NEAR = "10.77.0.1";
const NEAR6 = "fd77::1";
/** More than fits through the tunnel in one piece. */
const LARGE_BYTES = 8000;

// one ==l0, l1== two
describe("what people do every day, through the tunnel", () => {
  const directory = mkdtempSync(join(tmpdir(), "mpip-everyday-"));
  let tunnel: Tunnel;
  let one: Host;
  let two: Host;

  beforeAll(async () => {
    tunnel = await Tunnel.up({ rateMbit: 200, delayMs: 5 }, { rateMbit: 100, delayMs: 8 });
    one = tunnel.one.host;
    two = tunnel.two.host;
  });
  afterAll(async () => {
    await tunnel?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each([
    { target: FAR, sizeBytes: 56 },
    { target: FAR, sizeBytes: 1400 },
    { target: FAR, sizeBytes: LARGE_BYTES },
    { target: FAR6, sizeBytes: 56 },
    { target: FAR6, sizeBytes: LARGE_BYTES },
  ])("ping $target with $sizeBytes bytes", async ({ target, sizeBytes }) => {
    // A busy machine may drop a packet; a size that does not work has no answer at all.
    expect((await ping(one, target, { count: 5, intervalMs: 20, sizeBytes })).received).toBeGreaterThan(3);
  });

  it("leave TTL, DSCP and fragment bit as they were", async () => {
    const watching = two.spawn("tcpdump", ["-nvlc", "3", "-i", "mpip0", "icmp[icmptype] = icmp-echo"]);
    await watching.output(/listening on/);
    const answers = await one.exec("ping", [
      "-n",
      "-c",
      "3",
      "-i",
      "0.1",
      "-t",
      "7",
      "-Q",
      "0xb8",
      "-M",
      "do",
      FAR,
    ]);
    expect(answers.stdout).toContain("ttl=64");
    await watching.exited;
    const shown = watching.stdout.match(/tos 0x\w+|ttl \d+|flags \[\w*\]/g);
    expect(shown).toEqual([1, 2, 3].flatMap(() => ["tos 0xb8", "ttl 7", "flags [DF]"]));
  });

  it("ping with IP options: the way there and back is recorded", async () => {
    const { stdout } = await one.exec("ping", ["-n", "-c", "2", "-i", "0.1", "-R", FAR]);
    expect(stdout).toContain("2 received");
    expect(stdout).toMatch(new RegExp(`RR: +\\t${NEAR}\\n\\t${FAR}`));
  });

  it("fetch files in both directions and over both families, unchanged", async () => {
    const bytes = 5_000_000;
    for (const [client, server, address] of [
      [one, two, FAR],
      [two, one, NEAR],
      [one, two, FAR6],
      [two, one, NEAR6],
    ] as const) {
      const serving = await startContentServer(server);
      const download = await curl(client, contentUrl(address, bytes));
      await serving.stop("SIGKILL");
      expect(download).toMatchObject({ status: 200, bytes, sha256: contentSha256(bytes) });
    }
  });

  it("fetch a gigabyte, unchanged", async () => {
    const bytes = 1_000_000_000;
    const serving = await startContentServer(two);
    const download = await curl(one, contentUrl(FAR, bytes), { timeoutMs: 110_000 });
    await serving.stop("SIGKILL");
    expect(download).toMatchObject({ status: 200, bytes, sha256: contentSha256(bytes) });
  });

  it("work in a shell on the other host with ssh", async () => {
    const key = join(directory, "key");
    const hostKey = join(directory, "host-key");
    await one.exec("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
    await two.exec("dropbearkey", ["-t", "ed25519", "-f", hostKey]);
    // `ip netns exec` has given it mounts of its own, so nobody else sees this home.
    const server = two.spawn("sh", [
      "-c",
      `mount -t tmpfs -o mode=700 tmpfs ~root && mkdir -m 700 ~root/.ssh && cp ${key}.pub ~root/.ssh/authorized_keys &&
       exec dropbear -F -E -P '' -p ${FAR}:22 -r ${hostKey}`,
    ]);
    await server.output(/Not backgrounding/);
    const ssh = (words: readonly string[], input = "") => {
      const options = ["BatchMode=yes", "StrictHostKeyChecking=no", `UserKnownHostsFile=${directory}/known`];
      const args = ["-F", "none", "-i", key, ...options.flatMap((option) => ["-o", option])];
      return one.exec("ssh", [...args, ...words], { input });
    };
    const text = randomBytes(300_000).toString("hex");
    expect((await ssh([`root@${FAR}`, "cat"], text)).stdout).toBe(text);
    // With a terminal, ssh marks its packets otherwise than those it began with.
    expect((await ssh(["-tt", `root@${FAR}`, "echo here: $((6 * 7)); exit"])).stdout).toContain("here: 42");
    await server.stop();
  });

  it("ask for names", async () => {
    const server = two.spawn("dnsmasq", [
      ...["-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--log-facility=-", "--log-queries"],
      ...[`--listen-address=${FAR},${FAR6}`, "--bind-interfaces", "--no-daemon", "--pid-file="],
      "--host-record=office.test,192.0.2.55,2001:db8::55",
      ...Array.from({ length: 40 }, (_, i) => `--txt-record=long.test,part ${i} ${"x".repeat(60)}`),
    ]);
    await server.output(/started/);
    for (const address of [FAR, `[${FAR6}]`]) {
      const script = `
        const resolver = new (require("dns").promises.Resolver)();
        resolver.setServers(["${address}"]);
        Promise.all([resolver.resolve4("office.test"), resolver.resolve6("office.test"), resolver.resolveTxt("long.test")])
          .then(([a, aaaa, txt]) => console.log(JSON.stringify([a, aaaa, txt.length])));`;
      const { stdout } = await one.exec(process.execPath, ["-e", script]);
      expect(JSON.parse(stdout)).toEqual([["192.0.2.55"], ["2001:db8::55"], 40]);
    }
    await server.stop();
  });

  it.each([
    ["UDP", []],
    ["TCP", ["-T", "-p", "80"]],
    ["ICMP", ["-I"]],
    ["UDP over IPv6", ["-6"]],
  ])("trace the route with %s: the other host is the first hop", async (_, options) => {
    const target = options.includes("-6") ? FAR6 : FAR;
    const { stdout } = await one.exec("traceroute", ["-n", "-w", "2", ...options, target]);
    const hops = stdout.trim().split("\n").slice(1);
    expect(hops).toHaveLength(1);
    expect(hops[0]).toMatch(new RegExp(`^ 1  ${target}(  [\\d.]+ ms){3}$`));
  });

  it("send datagrams of 8 KB, which are fragmented", async () => {
    const stream = { port: 9000, count: 50, perSecond: 500, bytes: LARGE_BYTES };
    for (const to of [FAR, FAR6]) {
      const { distinct, changed } = await udpStream(one, two, { to, ...stream });
      expect(distinct).toBeGreaterThan(40);
      expect(changed).toBe(0);
    }
  });

  it.each([
    ["UDP-Lite", "SOCK_DGRAM, 136"],
    ["SCTP", "SOCK_RAW, 132"],
    ["ESP", "SOCK_RAW, 50"],
  ])("speak %s, an IP protocol of which the router knows nothing", async (_, protocol) => {
    const perl = (body: string) => ["-MSocket", "-e", `socket(S, AF_INET, ${protocol}) or die $!; ${body}`];
    const at = (address: string) => `pack_sockaddr_in(7777, inet_aton("${address}"))`;
    const server = two.spawn(
      "perl",
      perl(`bind(S, ${at(FAR)}) or die $!; $| = 1; print "ready\\n";
        while ($from = recv(S, $m, 4000, 0)) { print unpack("H*", $m), "\\n"; send(S, "back", 0, $from) }`),
    );
    await server.output(/ready/);
    const sent = randomBytes(1200).toString("hex");
    const { stdout } = await one.exec(
      "perl",
      perl(`bind(S, ${at(NEAR)}) or die $!; send(S, pack("H*", "${sent}"), 0, ${at(FAR)}) or die $!;
        $SIG{ALRM} = sub { die "no answer" }; alarm 5; recv(S, $m, 4000, 0); print $m`),
    );
    // A raw socket shows the IP header, too.
    expect(server.stdout).toMatch(new RegExp(`^(45.{38})?${sent}$`, "m"));
    expect(stdout).toContain("back");
    await server.stop();
  });

  it("drop what has a wrong checksum, at the host that it is for", async () => {
    const server = two.spawn("perl", [
      "-MSocket",
      "-e",
      `socket(S, AF_INET, SOCK_DGRAM, 0); bind(S, pack_sockaddr_in(7779, inet_aton("${FAR}"))) or die $!;
       $| = 1; print "ready\n"; while (recv(S, $m, 100, 0)) { print "$m\n" }`,
    ]);
    await server.output(/ready/);
    // Ports, length, checksum; 0 is none.
    const datagram = (checksum: string, text: string) =>
      `send(S, pack("nnnn", 7778, 7779, ${8 + text.length}, ${checksum}) . "${text}", 0, $to) or die $!;`;
    await one.exec("perl", [
      "-MSocket",
      "-e",
      `socket(S, AF_INET, SOCK_RAW, 17) or die $!; $to = pack_sockaddr_in(0, inet_aton("${FAR}"));
       ${datagram("0", "first")} ${datagram("0xbad", "wrong")} ${datagram("0", "last")}`,
    ]);
    await server.output(/last/);
    expect(server.stdout).toBe("ready\nfirst\nlast\n");
    await server.stop();
  });
});
