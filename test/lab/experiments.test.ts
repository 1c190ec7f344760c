import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import type { Results } from "../../tools/experiments/results.ts";
import type { PlayerOptions } from "../../tools/experiments/video/player-report.ts";
import { Lab, startContentServer } from "../../tools/lab/index.ts";

const directory = mkdtempSync(join(tmpdir(), "mpip-experiments-"));
afterAll(() => rmSync(directory, { recursive: true }));

const mpip = (...args: string[]) => promisify(execFile)(process.execPath, ["dist/mpip/main.js", ...args]);

describe("mpip lab run", () => {
  it("measures every way over the lines of a profile, and writes figures and a page", async () => {
    const options = ["--profile", "40+20", "--seconds", "1", "--repeats", "1", "--cc", "reno"];
    const variant = ["--variant", "narrow: { tun: { mtu: 1300 } }", "--set", "log=debug"];
    const { stdout } = await mpip("lab", "run", "matrix", ...options, ...variant, "--out", directory);
    expect(stdout).toContain("mpip / MPTCP");

    const files = readdirSync(directory);
    const results = JSON.parse(
      readFileSync(join(directory, files.find((name) => name.endsWith("json"))!), "utf8"),
    ) as Results;
    expect(results.command).toContain("run matrix --profile 40+20");
    expect(results.machine.kernel).toMatch(/^\d/);
    const goodput = new Map(results.runs.map(({ way, figures }) => [way, figures["Mbit/s"]!]));
    expect([...goodput.keys()]).toEqual(["link 1", "link 2", "MPTCP", "mpip", "mpip narrow"]);
    expect(Math.min(...goodput.values())).toBeGreaterThan(0);
    expect(results.runs.every(({ congestion }) => congestion === "reno")).toBe(true);

    const narrow = results.runs.at(-1)!;
    expect(narrow.mpip!.server.status.tun.mtu).toBe(1300);
    expect(narrow.mpip!.client.paths.length).toBeGreaterThan(1);
    // Both lines carried something of what mpip sent.
    expect(Math.min(narrow.figures["l0 Mbit/s"]!, narrow.figures["l1 Mbit/s"]!)).toBeGreaterThan(1);

    const page = readFileSync(join(directory, files.find((name) => name.endsWith("html"))!), "utf8");
    expect(page.match(/<svg /g)!.length).toBe(2);
    expect(page).not.toMatch(/(src|href)="https?:/);
    expect(Lab.running().filter(({ source }) => source === "experiment")).toEqual([]);
  });

  it("says which profile is not there", async () => {
    await expect(
      mpip("lab", "run", "matrix", "--profile", "nothing*", "--out", directory),
    ).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("lab: no profile is named nothing*; there are: 40+20, "),
    });
  });
});

it("a player takes no error page for a part of its video", async () => {
  await using lab = await Lab.up({ hosts: { viewer: null }, links: {} });
  const viewer = lab.host("viewer");
  await startContentServer(viewer, 8080);
  const options: PlayerOptions = {
    from: "127.0.0.1",
    server: "127.0.0.1:9",
    // Answers 404 to what only a proxy could answer.
    proxy: "127.0.0.1:8080",
    seconds: 10,
    chunkS: 1,
    levelsMbit: [1],
    firstLevel: 0,
    mostBufferS: 60,
  };
  const player = ["dist/tools/experiments/video/player.js", JSON.stringify(options)];
  await expect(viewer.exec(process.execPath, player)).rejects.toThrow(
    "player: http://127.0.0.1:9/125000: HTTP 404, 30 bytes instead of 125000",
  );
});
