import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { Lab } from "../../tools/lab/index.ts";

// What tools/demo starts once everything is built.
const demo = "dist/tools/experiments/demo.js";
const leftOver = () => Lab.running().filter(({ source }) => source === "experiment");

it("the demo shows one transfer over two links, one of them cut and restored, and sums up", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [demo]);
  const [before = "", during = "", after = ""] = stdout.split(/ --- .*\n/);
  // The middle of each part: the rates of its ends belong to what comes before and after, too.
  const middle = (part: string) => {
    const shown = [...part.matchAll(/ s +(\d+) \+ +(\d+) = /g)].map((row) => [
      Number(row[1]),
      Number(row[2]),
    ]);
    return shown[Math.floor(shown.length / 2)]!;
  };
  expect(Math.min(...middle(before))).toBeGreaterThan(8);
  const [cut, other] = middle(during);
  expect(cut).toBeLessThan(2);
  expect(other).toBeGreaterThan(8);
  expect(Math.min(...middle(after))).toBeGreaterThan(8);

  const [, times] = /, ([\d.]+) times the better link alone\./.exec(stdout)!;
  expect(Number(times)).toBeGreaterThan(1.2);
  expect(stdout).toMatch(
    / s after the link came back it had nine tenths of that again\. The connection was the same/,
  );
  expect(leftOver()).toEqual([]);
});

it("a demo that is interrupted leaves nothing", async () => {
  const running = spawn(process.execPath, [demo], { stdio: ["ignore", "pipe", "inherit"] });
  await once(running.stdout, "data");
  expect(leftOver()).toHaveLength(1);
  running.kill("SIGINT");
  expect(await once(running, "exit")).toEqual([1, null]);
  expect(leftOver()).toEqual([]);
});
