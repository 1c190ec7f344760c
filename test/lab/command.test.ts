import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const main = "dist/tools/lab/main.js";
const example = "tools/lab/examples/two-nats.yaml";
const directory = mkdtempSync(join(tmpdir(), "lab-test-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe("lab check", () => {
  it("accepts a sound file", async () => {
    expect(await lab("check", example)).toEqual({
      code: 0,
      stdout: `${example} is sound: 6 hosts, 7 links\n`,
      stderr: "",
    });
  });

  it("has a line for each problem, and fails", async () => {
    const file = join(directory, "wrong.yaml");
    writeFileSync(file, "hosts: { a: , b: { rooter: true } }\nlinks:\n  l0: { between: [a, c] }\n");
    expect(await lab("check", file)).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "wrong.yaml:1: hosts.b.rooter: unknown key; allowed: router, nat, firewall, defaultVia, policyRouting, sysctls\n" +
        "wrong.yaml:3: links.l0.between[1]: no host c; hosts: a, b\n",
    });
  });
});

describe("lab up with a command", () => {
  it("runs it in a host, passes its exit code on, and leaves nothing", async () => {
    const file = "tools/lab/examples/two-links.yaml";
    const reached = await lab("up", file, "--", "sh", "-c", "ping -c1 -q 10.1.0.2; exit 7");
    expect(reached).toMatchObject({ code: 7, stdout: expect.stringContaining("1 received") });
    const inServer = await lab("up", file, "--in", "server", "--", "ip", "-brief", "address", "show", "l0");
    expect(inServer).toMatchObject({ code: 0, stdout: expect.stringContaining("10.0.0.2/24") });
    expect(await lab("up", file, "--in", "nobody", "--", "true")).toMatchObject({
      code: 1,
      stderr: "lab: no host nobody; hosts: client, server\n",
    });
  });
});

describe("a lab that is up", () => {
  let owner: ChildProcess;
  let id: string;
  let shown: string;
  beforeAll(async () => {
    owner = spawn(process.execPath, [main, "up", example], { stdio: ["ignore", "pipe", "inherit"] });
    shown = String((await once(owner.stdout!, "data"))[0]);
    id = /^lab (\S+)$/m.exec(shown)![1]!;
  });
  afterAll(() => owner.kill("SIGKILL"));

  it("shows its hosts and links, and is listed", async () => {
    expect(shown).toMatch(/^home +wifi +10\.0\.0\.2 +fd00::2 +client +nat masquerade$/m);
    expect(shown).toMatch(
      /^cable +home - core +rateMbit=10 delayMs=8 queueMs=100 +rateMbit=40 delayMs=8 queueMs=100$/m,
    );
    const { stdout } = await lab("list");
    expect(stdout).toMatch(
      new RegExp(`^${id} +${owner.pid} +${example} +client home phone operator core server$`, "m"),
    );
  });

  it("runs commands, and has its lines changed, cut and restored", async () => {
    const pings = () =>
      lab("exec", "client", "--lab", id, "--", "ping", "-c2", "-i0.2", "-W1", "-q", "203.0.113.1");
    expect(await pings()).toMatchObject({ code: 0 });
    expect(await lab("set", "cable", "delayMs=60", "--direction", "ab", "--lab", id)).toMatchObject({
      code: 0,
    });
    expect((await pings()).stdout).toMatch(/rtt min\/avg\/max\/mdev = (6[89]|[7-9]\d)\./);
    expect(await lab("cut", "cable", "--kind", "silent", "--direction", "ba", "--lab", id)).toMatchObject({
      code: 0,
    });
    expect(await pings()).toMatchObject({ code: 1, stdout: expect.stringContaining("0 received") });
    expect((await lab("stats", "--lab", id)).stdout).toMatch(/^cable +ba .* blackhole [1-9]/m);
    expect(await lab("restore", "cable", "--lab", id)).toMatchObject({ code: 0 });
    expect(await pings()).toMatchObject({ code: 0 });
    expect(await lab("cut", "usb", "--kind", "admin", "--end", "b", "--lab", id)).toMatchObject({ code: 0 });
    const phone = await lab("exec", "phone", "--lab", id, "--", "ip", "-brief", "link", "show", "usb");
    expect(phone.stdout).toMatch(/^usb\S+ +DOWN/);
  });

  it.each([
    [["set", "cable", "rate=3"], /^link cable ab: rate: unknown key; allowed: rateMbit, delayMs/],
    [
      ["set", "cable", "rateMbit=fast"],
      /^link cable ab: rateMbit: must be a number from 0.001 to 100000, not "fast"$/m,
    ],
    [["set", "cable", "rateMbit"], /^lab: rateMbit is not key=value$/m],
    [["set", "wifi", "rateMbit=3"], /^lab: link wifi is not emulated/],
    [["cut", "nowhere"], /^lab: no link nowhere; links: wifi, usb, cable, radio, backbone, front, back$/m],
    [["cut", "cable", "--kind", "silent", "--end", "a"], /^lab: a silent cut has a --direction/],
    [["exec", "nobody", "--", "true"], /^lab: no host nobody; hosts: client, home/],
    [["exec", "client"], /^lab: say which command to run, after --$/m],
  ])("explains what is wrong with %j", async (args, message) => {
    const { code, stderr } = await lab(...args.slice(0, 2), "--lab", id, ...args.slice(2));
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });

  it("is gone after Ctrl-C", async () => {
    owner.kill("SIGINT");
    expect(await once(owner, "exit")).toEqual([0, null]);
    expect(readdirSync("/run/netns").filter((name) => name.includes(id))).toEqual([]);
    expect(await lab("restore", "cable", "--lab", id)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(`^lab: no lab ${id} is running`),
    });
  });
});

describe("a machine that lacks something", () => {
  const file = "tools/lab/examples/two-links.yaml";

  it("is told to give root", async () => {
    const asNobody = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, main, "up", file];
    expect(await command("setpriv", asNobody)).toEqual({
      code: 2,
      stdout: "",
      stderr: "lab: a lab needs root for its network namespaces: run the command with sudo\n",
    });
  });

  it("is told which package to install", async () => {
    const withoutTools = [`PATH=${directory}`, process.execPath, main, "up", file];
    expect(await command("env", withoutTools)).toEqual({
      code: 2,
      stdout: "",
      stderr: "lab: ip is not installed: install the package iproute2\n",
    });
  });
});

it("lab sweep says what it removed", async () => {
  const owner = spawn(process.execPath, [main, "up", "tools/lab/examples/two-links.yaml"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const id = /^lab (\S+)$/m.exec(String((await once(owner.stdout, "data"))[0]))![1]!;
  owner.kill("SIGKILL");
  await once(owner, "exit");
  expect((await lab("sweep")).stdout).toContain(id);
  expect((await lab("sweep")).stdout).not.toContain(id);
});

function lab(...args: string[]) {
  return command(process.execPath, [main, ...args]);
}

function command(program: string, args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(program, args, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}
