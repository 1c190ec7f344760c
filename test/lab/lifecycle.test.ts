import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { CommandError, type Description, Lab, ping, sweep, waitFor } from "../../tools/lab/index.ts";

// a --l0 (emulated)-- b      a --l1 (bare)-- b
const pair: Description = {
  hosts: { a: {}, b: {} },
  links: { l0: { between: ["a", "b"], delayMs: 1 }, l1: { between: ["a", "b"] } },
};

describe("a lab", () => {
  it("has hosts that reach each other over every link and family, and leaves nothing behind", async () => {
    const lab = await Lab.up(pair);
    const server = lab.host("b").spawn("sleep", ["1000"]);
    for (const target of ["l0", "l1"].flatMap((link) => [
      lab.host("b").ip(link),
      lab.host("b").ip(link, 6),
    ])) {
      expect(await ping(lab.host("a"), target, { count: 2 }), target).toMatchObject({ sent: 2, received: 2 });
    }
    expect(leftovers(lab.id)).toHaveLength(4);
    const directory = lab.host("a").makeDirectory();
    await lab.down();
    expect(leftovers(lab.id)).toEqual([]);
    expect(existsSync(directory)).toBe(false);
    expect(await server.exited).toEqual({ code: null, signal: "SIGKILL" });
    expect(isRunning(server.pid!)).toBe(false);
    await lab.down();
  });

  it("is torn down when the code that uses it throws", async () => {
    let id = "";
    const use = async () => {
      await using lab = await Lab.up(pair);
      id = lab.id;
      expect(leftovers(id)).not.toEqual([]);
      throw new Error("a failing test");
    };
    await expect(use()).rejects.toThrow("a failing test");
    expect(leftovers(id)).toEqual([]);
  });

  it("that cannot be built says why and leaves nothing behind", async () => {
    const before = leftovers(`${process.pid}-`);
    const wrong = { ...pair, hosts: { a: { sysctls: { "net.ipv4.nonsense": 1 } }, b: {} } };
    await expect(Lab.up(wrong)).rejects.toThrow(/^sysctl .* exited with \d+: sysctl: cannot stat .*nonsense/);
    expect(leftovers(`${process.pid}-`)).toEqual(before);
  });

  it("may be up several times at once", async () => {
    await using one = await Lab.up(pair);
    await using other = await Lab.up(pair);
    expect(one.id).not.toBe(other.id);
    expect(Lab.running().map(({ id }) => id)).toEqual(expect.arrayContaining([one.id, other.id]));
    await one.down();
    expect(await ping(other.host("a"), other.host("b").ip("l0"), { count: 1 })).toMatchObject({
      received: 1,
    });
  });

  it("has its sysctls set, before and after the interfaces are there", async () => {
    const sysctls = { "net.ipv4.conf.l1.rp_filter": 2, "net.ipv4.tcp_fin_timeout": 7 };
    await using lab = await Lab.up({ ...pair, hosts: { a: { sysctls }, b: {} } });
    expect(await lab.host("a").sysctl("net.ipv4.conf.l1.rp_filter")).toBe("2");
    expect(await lab.host("a").sysctl("net.ipv4.conf.l0.rp_filter")).toBe("0");
    expect(await lab.host("a").sysctl("net.ipv4.tcp_fin_timeout")).toBe("7");
    expect(await lab.host("b").sysctl("net.ipv4.tcp_fin_timeout", 9)).toBe("9");
  });

  it("takes nft rules while it runs", async () => {
    await using lab = await Lab.up(pair);
    const [a, b] = [lab.host("a"), lab.host("b")];
    expect(await ping(a, b.ip("l1"), { count: 1, waitMs: 300 })).toMatchObject({ received: 1 });
    await b.nft("table ip mine {\n chain input { type filter hook input priority 0; policy drop; }\n}\n");
    expect(await b.nft("list tables")).toBe("table ip mine\n");
    expect(await ping(a, b.ip("l1"), { count: 1, waitMs: 300 })).toMatchObject({ received: 0 });
  });
});

describe("the lab of a process that ends", () => {
  it("is swept after a SIGKILL, while a living process's lab is left alone", async () => {
    await using living = await Lab.up(pair);
    const owner = await startOwner();
    await expectAttached(owner.id);
    owner.process.kill("SIGKILL");
    await once(owner.process, "exit");
    expect(leftovers(owner.id)).not.toEqual([]);
    expect(isRunning(owner.sleeper)).toBe(true);
    expect(sweep()).toContain(owner.id);
    expect(leftovers(owner.id)).toEqual([]);
    await waitFor(() => !isRunning(owner.sleeper), { what: "the end of the process in the dead lab" });
    expect(await ping(living.host("a"), living.host("b").ip("l0"), { count: 1 })).toMatchObject({
      received: 1,
    });
  });

  it("is swept by the next one that comes up", async () => {
    const owner = await startOwner();
    owner.process.kill("SIGKILL");
    await once(owner.process, "exit");
    await using _next = await Lab.up(pair);
    expect(leftovers(owner.id)).toEqual([]);
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("is gone at once after %s", async (signal) => {
    const owner = await startOwner();
    owner.process.kill(signal);
    expect(await once(owner.process, "exit")).toEqual([null, signal]);
    expect(leftovers(owner.id)).toEqual([]);
  });

  it("is gone at once after an uncaught exception", async () => {
    const owner = await startOwner("setTimeout(() => { throw new Error('uncaught'); }, 50)");
    expect(await once(owner.process, "exit")).toEqual([1, null]);
    expect(leftovers(owner.id)).toEqual([]);
  });
});

describe("a command in a host", () => {
  it("gives its output and exit code", async () => {
    await using lab = await Lab.up({ hosts: { a: {}, b: {} }, links: { l1: { between: ["a", "b"] } } });
    const a = lab.host("a");
    expect(await a.exec("cat", [], { input: "hello" })).toEqual({ stdout: "hello", stderr: "", code: 0 });
    const failing = ["-c", "echo no >&2; exit 3"];
    expect(await a.exec("sh", failing, { allowFailure: true })).toEqual({
      stdout: "",
      stderr: "no\n",
      code: 3,
    });
    await expect(a.exec("sh", failing)).rejects.toThrow("a: sh -c echo no >&2; exit 3 exited with 3: no");
    await expect(a.exec("sh", failing)).rejects.toMatchObject({ host: "a", code: 3, stderr: "no\n" });
    const slow = a.exec("sleep", ["5"], { timeoutMs: 100 });
    await expect(slow).rejects.toThrow(
      new CommandError({ host: "a", command: "sleep 5" }, "did not end in 100 ms", null, ""),
    );
    await expect(a.exec("no-such-command")).rejects.toThrow(/^a: no-such-command exited with .*No such file/);
    expect((await a.exec("ls", ["/sys/class/net"])).stdout.split("\n")).toContain("l1");
  });

  it("runs until it is stopped, with all that it started", async () => {
    await using lab = await Lab.up({ hosts: { a: {}, b: {} }, links: { l1: { between: ["a", "b"] } } });
    const script = "trap 'echo bye; exit 4' TERM; sleep 1000 & echo child $!; wait";
    const running = lab.host("a").spawn("sh", ["-c", script]);
    const child = Number((await running.output(/child (\d+)/))[1]);
    expect(isRunning(child)).toBe(true);
    expect(await running.stop()).toEqual({ code: 4, signal: null });
    expect(running.stdout).toContain("bye");
    await waitFor(() => !isRunning(child), { what: "the end of the child" });
    const stubborn = lab.host("a").spawn("sh", ["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]);
    await stubborn.output(/ready/);
    expect(await stubborn.stop("SIGTERM", 100)).toEqual({ code: null, signal: "SIGKILL" });
    await expect(stubborn.output(/never/)).rejects.toThrow("a: sh -c trap '' TERM");
  });
});

/** Another process with a lab up, in which a command sleeps. */
async function startOwner(then = "setInterval(() => {}, 1000)") {
  const script = `
    import { Lab } from "./dist/tools/lab/index.js";
    const lab = await Lab.up(${JSON.stringify(pair)});
    const sleeper = lab.host("a").spawn("sh", ["-c", "echo ready; exec sleep 1000"]);
    await sleeper.output(/ready/);
    console.log(lab.id, sleeper.pid);
    ${then}`;
  const args = ["--input-type=module", "-e", script];
  const owner: ChildProcess = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = (await once(owner.stdout!, "data")) as [Buffer];
  const [id, sleeper] = line.toString().trim().split(" ");
  return { process: owner, id: id!, sleeper: Number(sleeper) };
}

async function expectAttached(id: string): Promise<void> {
  const lab = Lab.attach(id);
  expect(await ping(lab.host("a"), lab.host("b").ip("l1"), { count: 1 })).toMatchObject({ received: 1 });
  await lab.down();
  await sleep(100);
  expect(leftovers(id)).not.toEqual([]);
}

/** Everything that the runs whose ID starts like this made outside of themselves. */
function leftovers(idStart: string): string[] {
  const namespaces = existsSync("/run/netns") ? readdirSync("/run/netns") : [];
  return [...namespaces, ...readdirSync("/run")].filter((name) => name.startsWith(`mpip-lab-${idStart}`));
}

function isRunning(pid: number): boolean {
  try {
    // A zombie, which waits for its parent, has none.
    return readlinkSync(`/proc/${pid}/exe`) !== "";
  } catch {
    return false;
  }
}
