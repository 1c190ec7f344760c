import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { Plan } from "../../src/core/batch/plan.ts";
import { native, openArena } from "../../src/io/native.ts";
import type { TunPort } from "../../src/io/port.ts";
import { openTun, type TunOptions } from "../../src/io/tun.ts";
import { concat, ipv4Header, pattern, udpHeader, vnetHeader } from "../helpers/packets.ts";
import { serve } from "../helpers/scenarios.ts";
import { withChecksums } from "../naive/segmentation.ts";

const log = pino({ level: "silent" });
const arena = openArena(1 << 21);

const ip = (...words: string[]) => execFileSync("ip", words, { encoding: "utf8" });

function open(options: Partial<TunOptions> & { name: string }): TunPort {
  return openTun({ mtu: 1400, ...options }, arena, log);
}

/** What opening says: nothing, or its error; whether the device is there afterwards. */
function opening(options: Partial<TunOptions> & { name: string }) {
  const before = existsSync(`/sys/class/net/${options.name}`);
  try {
    open(options).close();
    return { error: null };
  } catch (error) {
    const left = !before && existsSync(`/sys/class/net/${options.name}`);
    return { error: (error as Error).message, left };
  }
}

/** Writes one packet of the neighbour; answers its status. */
function write(tun: TunPort): number {
  const udp = concat(udpHeader(8 + 5, 1000, 2000), pattern(5));
  const packet = withChecksums(
    concat(ipv4Header({ protocol: 17, source: [10, 2, 0, 2], destination: [10, 2, 0, 1] }), udp),
  );
  arena.set(concat(vnetHeader(), packet));
  const plan = new Plan(64);
  plan.begin();
  plan.piece(0, 10 + packet.length);
  tun.write(plan);
  return plan.status(0);
}

function linkOf(name: string): unknown {
  const [link] = JSON.parse(ip("-json", "link", "show", name));
  return { mtu: link.mtu, up: link.flags.includes("UP"), queueLength: link.txqlen };
}

export const scenarios = {
  openings: (all: (Partial<TunOptions> & { name: string })[]) => all.map(opening),

  /** Opens a name that another port of ours has. */
  taken() {
    const tun = open({ name: "taken0" });
    const result = opening({ name: "taken0" });
    tun.close();
    return { ...result, afterwards: opening({ name: "taken0" }) };
  },

  link() {
    const tun = open({ name: "link0", mtu: 1380, queueLength: 777 });
    const opened = linkOf("link0");
    tun.setMtu(1300);
    const changed = linkOf("link0");
    let refused = "";
    try {
      tun.setMtu(100_000);
    } catch (error) {
      refused = (error as Error).message;
    }
    const words = new Int32Array(4);
    native.linkGet("link0", words);
    const index = JSON.parse(ip("-json", "link", "show", "link0"))[0].ifindex;
    tun.close();
    return { opened, changed, refused, words: [...words], index, left: existsSync("/sys/class/net/link0") };
  },

  /** What a write says while the link is up, down and up again. */
  upAndDown() {
    const tun = open({ name: "updown0" });
    ip("addr", "add", "10.2.0.1/24", "dev", "updown0");
    const up = write(tun);
    ip("link", "set", "updown0", "down");
    const down = write(tun);
    ip("link", "set", "updown0", "up");
    const again = write(tun);
    const counters = { ...tun.sent };
    tun.close();
    return { up, down, again, counters };
  },

  /** Somebody deletes the device while we wait for its packets. */
  async deleted() {
    const tun = open({ name: "deleted0" });
    let calls = 0;
    tun.start(() => {
      calls++;
      tun.read(0, arena.length, 64);
    });
    ip("link", "del", "deleted0");
    let turns = 0;
    let running = true;
    const turn = () => {
      turns++;
      if (running) setImmediate(turn);
    };
    turn();
    await sleep(100);
    running = false;
    const result = { calls, turns, read: tun.read(0, arena.length, 64), write: write(tun) };
    tun.close();
    const again = open({ name: "deleted0" });
    again.close();
    return result;
  },
};

await serve(scenarios);
