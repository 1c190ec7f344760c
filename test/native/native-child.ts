import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  BATCH_MAX,
  PIECES_MAX,
  PLAN_HEAD,
  PLAN_PIECES,
  PLAN_SEGMENT,
  PLAN_SOCKET,
  PLAN_STATUS,
  RECORD_WORDS,
} from "../../src/core/batch/layout.ts";
import { parseAddress } from "../../src/io/address.ts";
import { native, openArena } from "../../src/io/native.ts";
import { serve } from "../helpers/scenarios.ts";

// The functions of the addon, called directly with what they must not take.

const GUARD = 4096;
const ARENA_BYTES = 1 << 17;

/** An arena in the middle of a larger block, so that what leaves it on either side shows. */
function guardedArena(): { arena: Uint8Array; touched: () => boolean } {
  const block = openArena(ARENA_BYTES + 2 * GUARD).fill(0xa5);
  const arena = block.subarray(GUARD, GUARD + ARENA_BYTES);
  const intact = (part: Uint8Array) => part.every((byte) => byte === 0xa5);
  return { arena, touched: () => !intact(block.subarray(0, GUARD)) || !intact(block.subarray(-GUARD)) };
}

/** A plan whose message to `socket` has these pieces, whatever they are. */
function planOf(
  socket: number,
  pieces: readonly number[],
  words: Partial<Record<number, number>> = {},
): Int32Array {
  const plan = new Int32Array(PLAN_HEAD + pieces.length);
  plan[PLAN_PIECES] = pieces.length / 2;
  plan[PLAN_SOCKET] = socket;
  plan.set([9, 0, 0, 0, 0, -65536, 0x0100007f], PLAN_SOCKET + 1);
  plan[PLAN_SEGMENT] = 0;
  plan.set(pieces, PLAN_HEAD);
  for (const [at, value] of Object.entries(words)) plan[Number(at)] = value!;
  return plan;
}

// biome-ignore lint/suspicious/noExplicitAny: wrong arguments are the point.
const loose = native as any as Record<string, (...args: unknown[]) => unknown>;

const NO_SEGMENTS = new Int32Array(0);
const HUGE = 0x7fffffff;
const LOOPBACK = parseAddress("127.0.0.1");

/** [function, what is wrong, arguments]: each must answer a negative number and change nothing. */
function wrongCalls(tun: number, udp: number, arena: Uint8Array): [string, string, unknown[]][] {
  const records = new Int32Array(BATCH_MAX * RECORD_WORDS);
  const plan = planOf(udp, [0, 10]);
  const read = (...change: [number, unknown][]) =>
    withChanges([tun, 1, arena, 0, ARENA_BYTES, 1, records], change);
  const receive = (...change: [number, unknown][]) => withChanges([udp, arena, 0, 2000, 4, records], change);
  return [
    ...Object.keys(loose)
      .filter((name) => typeof loose[name] === "function")
      .flatMap((name): [string, string, unknown[]][] => [
        [name, "nothing", []],
        [name, "wrong types", [{}, {}, {}, {}, {}, {}, {}]],
        [name, "symbols", [Symbol("a"), Symbol("b"), Symbol("c"), Symbol("d")]],
        [name, "strings", ["a/b", "x", "y", "z", "1", "2", "3"]],
      ]),
    ["arenaOpen", "no bytes", [0]],
    ["arenaOpen", "negative", [-1]],
    ["arenaOpen", "not a number", [Number.NaN]],
    ["arenaOpen", "beyond an int32", [2 ** 40]],
    ["closeDescriptor", "negative", [-1]],
    ["closeDescriptor", "not open", [9999]],
    ["tunOpen", "long name", ["sixteen-letters1", 2]],
    ["tunOpen", "zero byte", ["tun\0x", 2]],
    ["tunOffload", "a socket", [udp, 1]],
    ["tunRead", "a socket's error", read([0, 9999])],
    ["tunRead", "start before the arena", read([3, -1])],
    ["tunRead", "end behind the arena", read([4, ARENA_BYTES + 1])],
    ["tunRead", "end before start", read([3, 100], [4, 99])],
    ["tunRead", "both far behind", read([3, HUGE], [4, HUGE])],
    ["tunRead", "far negative", read([3, -HUGE - 1], [4, -HUGE - 1])],
    ["tunRead", "more packets than records", read([5, 513])],
    ["tunRead", "huge count", read([5, HUGE])],
    ["tunRead", "records of bytes", read([6, new Uint8Array(4096)])],
    ["tunRead", "arena of words", read([2, new Int32Array(ARENA_BYTES)])],
    ["tunRead", "through the ring, not open", [...read([0, 9999]), 4]],
    ["tunRead", "through the ring, start before the arena", [...read([3, -1]), 4]],
    ["tunRead", "through the ring, huge tries", [...read([0, 9999]), HUGE]],
    ["tunWrite", "more messages than the plan", [tun, 1, arena, planOf(tun, [0, 10]), 2]],
    ["tunWrite", "huge count", [tun, 1, arena, new Int32Array(0), HUGE]],
    ["packetOpen", "no such interface", ["nowhere0"]],
    ["linkGet", "no such interface", ["nowhere0", new Int32Array(4)]],
    ["linkGet", "too few words", ["lo", new Int32Array(3)]],
    ["linkSet", "no such interface", ["nowhere0", 1400, 1, 10]],
    ["linkSet", "too small an MTU", ["guard0", 1, -1, -1]],
    ["udpOpen", "another family", [5]],
    ["udpOption", "no such option", [udp, 4, 10, 1]],
    ["udpOption", "negative option", [udp, 4, -1, 1]],
    ["udpOption", "not a socket", [tun, 4, 0, 1]],
    ["udpDevice", "long name", [udp, "sixteen-letters1"]],
    ["udpDevice", "no such interface", [udp, "nowhere0"]],
    ["udpBind", "too few words", [udp, new Int32Array(3), 0]],
    ["udpBind", "port too large", [udp, LOOPBACK, 65536]],
    ["udpBind", "port negative", [udp, LOOPBACK, -1]],
    ["udpBind", "not a socket", [tun, LOOPBACK, 0]],
    ["udpReceive", "start before the arena", receive([2, -1])],
    ["udpReceive", "slots behind the arena", receive([2, ARENA_BYTES - 4 * 2000 + 1])],
    ["udpReceive", "no slots", receive([3, 0])],
    ["udpReceive", "negative slots", receive([3, -2000])],
    ["udpReceive", "huge slots", receive([3, HUGE])],
    ["udpReceive", "no messages", receive([4, 0])],
    ["udpReceive", "negative messages", receive([4, -4])],
    ["udpReceive", "more messages than records", receive([3, 1], [5, new Int32Array(RECORD_WORDS * 3 + 15)])],
    ["udpReceive", "not a socket", receive([0, tun])],
    ["udpErrors", "not a socket", [tun, records]],
    ["netlinkOpen", "no groups", [0]],
    ["netlinkOpen", "negative", [-1]],
    ["netlinkDump", "another request", [18, 2, arena]],
    ["netlinkDump", "no array", [26, 2, records]],
    ["netlinkDump", "too little room", [34, 2, new Uint8Array(40)]],
    ["netlinkDrain", "not a socket", [tun]],
    ["netlinkDrain", "not open", [9999]],
    ["udpSend", "more messages than the plan", [arena, plan, 2, NO_SEGMENTS]],
    ["udpSend", "huge count", [arena, new Int32Array(0), HUGE, NO_SEGMENTS]],
    ["udpSend", "half a head", [arena, new Int32Array(PLAN_HEAD - 1), 1, NO_SEGMENTS]],
    [
      "udpSend",
      "more pieces than words",
      [arena, planOf(udp, [0, 10], { [PLAN_PIECES]: 2 }), 1, NO_SEGMENTS],
    ],
    ["udpSend", "negative pieces", [arena, planOf(udp, [0, 10], { [PLAN_PIECES]: -1 }), 1, NO_SEGMENTS]],
    [
      "udpSend",
      "too many pieces",
      [arena, planOf(udp, new Array(2 * PIECES_MAX + 2).fill(0)), 1, NO_SEGMENTS],
    ],
    ["pollStart", "no function", [udp, 1]],
    ["pollStart", "not open", [9999, () => {}]],
    ["pollStop", "not started", [udp]],
  ];
}

function withChanges(args: unknown[], changes: readonly [number, unknown][]): unknown[] {
  const result = [...args];
  for (const [at, value] of changes) result[at] = value;
  return result;
}

/** What the addon says where a message of a plan has bad pieces. */
function badPieces(fd: number, arena: Uint8Array, write: (plan: Int32Array) => unknown) {
  const pieces = [
    [-1, 10],
    [0, -1],
    [0, ARENA_BYTES + 1],
    [ARENA_BYTES, 1],
    [ARENA_BYTES - 1, 2],
    [HUGE, HUGE],
    [-HUGE - 1, -HUGE - 1],
    [-HUGE - 1, HUGE],
    [0, 10, 5, -6],
  ];
  arena.fill(0);
  return pieces.map((piece) => {
    const plan = planOf(fd, piece);
    return [write(plan), plan[PLAN_STATUS]];
  });
}

/** Small numbers that repeat for a seed. */
function* random(seed: number): Generator<number, never> {
  let state = seed >>> 0;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state >>> 8;
  }
}

/** A plan of random words, many of which are nearly right. */
function garbage(next: () => number, sockets: readonly number[]): Int32Array {
  const plan = new Int32Array(next() % 200);
  for (let i = 0; i < plan.length; i++) {
    const kinds = [
      0,
      1,
      next() % 64,
      next() % ARENA_BYTES,
      ARENA_BYTES - (next() % 8),
      -(next() % 9),
      next() << 8,
    ];
    plan[i] = kinds[next() % kinds.length]!;
  }
  for (let at = 0; at + PLAN_HEAD < plan.length && next() % 4 > 0; ) {
    plan[at + PLAN_STATUS] = 0;
    plan[at + PLAN_PIECES] = next() % 5;
    plan[at + PLAN_SOCKET] = sockets[next() % sockets.length]!;
    plan[at + PLAN_SEGMENT] = next() % 3 > 0 ? next() % 1500 : 0;
    at += PLAN_HEAD + 2 * plan[at + PLAN_PIECES]!;
  }
  // Descriptors of the process itself are no target.
  for (let i = PLAN_SOCKET; i < plan.length; i++) if (plan[i]! >= 0 && plan[i]! < 3) plan[i] = -1;
  return plan;
}

function openTun(name: string): number {
  const tun = native.tunOpen(name, 2);
  native.linkSet(name, 1400, 1, -1);
  return tun;
}

const descriptors = () => readdirSync("/proc/self/fd").length;
const virtualBytes = () =>
  1024 * Number(/VmSize:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]);

export const scenarios = {
  /** The addons of this project that are in the process. */
  loaded() {
    const maps = readFileSync("/proc/self/maps", "utf8");
    return [...new Set(maps.match(/\S*\/mpip\w*\.node/g))];
  },

  /** Every wrong call: what it answered, and whether anything was written where nothing should be. */
  wrong() {
    const tun = openTun("guard0");
    const udp = native.udpOpen(4);
    const { arena, touched } = guardedArena();
    native.ringOpen();
    const before = descriptors();
    const answers = wrongCalls(tun, udp, arena).map(([name, what, args]) => {
      const answer = loose[name]!(...args);
      return { call: `${name}: ${what}`, answer: typeof answer === "number" ? answer : typeof answer };
    });
    return {
      answers,
      functions: Object.keys(loose).filter((name) => name !== "layout"),
      touched: touched(),
      leaked: descriptors() - before,
    };
  },

  /** What reads answer where nothing is there to read. */
  nothing() {
    const tun = openTun("guard0");
    const udp = native.udpOpen(4);
    native.udpBind(udp, LOOPBACK, 0);
    const arena = openArena(1 << 20);
    const records = new Int32Array(BATCH_MAX * RECORD_WORDS);
    // The kernel sends something of its own whenever it likes.
    let read: number;
    do read = native.tunRead(tun, 1, arena, 0, arena.length, 64, records);
    while (read > 0);
    return {
      tun: read,
      udp: native.udpReceive(udp, arena, 0, 2000, 64, records),
      errors: native.udpErrors(udp, records),
    };
  },

  pieces() {
    const tun = openTun("guard0");
    const udp = native.udpOpen(4);
    const { arena, touched } = guardedArena();
    return {
      udp: badPieces(udp, arena, (plan) => native.udpSend(arena, plan, 1, NO_SEGMENTS)),
      split: badPieces(udp, arena, (plan) => {
        plan[PLAN_SEGMENT] = 5;
        return native.udpSend(arena, plan, 1, Int32Array.of(udp));
      }),
      tun: badPieces(tun, arena, (plan) => native.tunWrite(tun, 1, arena, plan, 1)),
      touched: touched(),
    };
  },

  /** Plans of garbage: none may write outside of the arena, or end the process. */
  garbage(seed: number, plans: number) {
    const tun = openTun("guard0");
    const bound = native.udpOpen(4);
    const port = native.udpBind(bound, LOOPBACK, 0);
    const udp = native.udpOpen(4);
    const { arena, touched } = guardedArena();
    native.ringOpen();
    const numbers = random(seed);
    const next = () => numbers.next().value;
    const answers = new Set<boolean>();
    for (let i = 0; i < plans; i++) {
      const plan = garbage(next, [udp, bound, tun, -1, 9999]);
      const messages = [1, 2, 5, HUGE, -1][next() % 5]!;
      const unsegmented = next() % 2 === 0 ? Int32Array.of(udp) : NO_SEGMENTS;
      const ring = next() % 2;
      answers.add(native.udpSend(arena, plan, messages, unsegmented, ring) <= Math.max(0, messages));
      answers.add(native.tunWrite(tun, next() % 2, arena, plan, messages, ring) <= Math.max(0, messages));
    }
    return { port, answers: [...answers], touched: touched() };
  },

  /** Opens and closes everything many times; answers descriptors and memory that are left. */
  async leaks(times: number) {
    const openAndClose = async () => {
      const tun = openTun("guard0");
      const tap = native.packetOpen("guard0");
      const sockets = [4, 6].map((family) => native.udpOpen(family as 4 | 6));
      const events = native.netlinkOpen(0x1);
      for (const fd of [tun, events, ...sockets]) native.pollStart(fd, () => {});
      await sleep(0);
      for (const fd of [tun, events, ...sockets]) native.pollStop(fd);
      for (const fd of [tun, tap, events, ...sockets]) native.closeDescriptor(fd);
      native.netlinkDump(26, 2, new Uint8Array(1 << 16));
      openArena(16 << 20);
      await sleep(0);
      globalThis.gc?.();
    };
    await openAndClose();
    const before = { descriptors: descriptors(), bytes: virtualBytes() };
    for (let i = 0; i < times; i++) await openAndClose();
    for (let i = 0; i < 5; i++) {
      globalThis.gc?.();
      await sleep(1);
    }
    return { descriptors: descriptors() - before.descriptors, bytes: virtualBytes() - before.bytes };
  },

  /** Descriptors that libuv cannot wait for, and one that it waits for already. */
  polls() {
    const file = openSync("/proc/self/status", "r");
    const udp = native.udpOpen(4);
    const answers = {
      file: native.pollStart(file, () => {}),
      first: native.pollStart(udp, () => {}),
      again: native.pollStart(udp, () => {}),
      stop: native.pollStop(udp),
      stopAgain: native.pollStop(udp),
      restart: native.pollStart(udp, () => {}),
    };
    native.pollStop(udp);
    native.closeDescriptor(udp);
    closeSync(file);
    return answers;
  },

  /** What is announced while the kernel's tables change, and once more than fits has. */
  async announcements() {
    const ip = (...args: string[]) => execFileSync("ip", args);
    const events = native.netlinkOpen(0x1 | 0x10 | 0x40);
    const counts: number[] = [];
    native.pollStart(events, () => counts.push(native.netlinkDrain(events)));
    const announced = async (change: () => void) => {
      counts.length = 0;
      change();
      await sleep(20);
      return counts.reduce((sum, count) => sum + count, 0);
    };
    const answers = {
      nothing: await announced(() => ip("link", "show")),
      link: await announced(() => ip("link", "add", "told0", "type", "veth", "peer", "told1")),
      address: await announced(() => ip("address", "add", "10.3.0.1/24", "dev", "told0")),
      route: await announced(() => ip("link", "set", "told0", "up")),
      another: await announced(() => ip("-6", "address", "add", "fd03::1/64", "dev", "lo")),
      // More than a socket's buffer holds.
      flood: await announced(() => {
        const routes = Array.from(
          { length: 3000 },
          (_, i) => `route add 10.4.${i >> 8}.${i & 255} dev told0\n`,
        );
        execFileSync("ip", ["-batch", "-"], { input: routes.join("") });
      }),
      after: await announced(() => ip("link", "del", "told0")),
    };
    native.pollStop(events);
    native.closeDescriptor(events);
    return answers;
  },

  /** The ends of UDP that a port does not reach: an interface named in its own namespace, errors of many sizes. */
  records() {
    execFileSync("ip", ["link", "set", "lo", "up"]);
    const udp = native.udpOpen(4);
    native.udpOption(udp, 4, 9, 1);
    const arena = openArena(1 << 16);
    for (let i = 0; i < 3; i++) native.udpSend(arena, planOf(udp, [0, 10]), 1, NO_SEGMENTS);
    const none = native.udpErrors(udp, new Int32Array(RECORD_WORDS - 1));
    const one = native.udpErrors(udp, new Int32Array(2 * RECORD_WORDS - 1));
    const rest = native.udpErrors(udp, new Int32Array(64 * RECORD_WORDS));
    native.closeDescriptor(udp);
    return { none, one, rest };
  },
};

await serve(scenarios);
