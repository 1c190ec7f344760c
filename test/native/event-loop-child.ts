import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { pino } from "pino";
import { parseAddress } from "../../src/io/address.ts";
import { openArena } from "../../src/io/native.ts";
import type { DatagramSocket } from "../../src/io/port.ts";
import { openTun } from "../../src/io/tun.ts";
import { openUdpPort } from "../../src/io/udp.ts";
import { ENDPOINT_ARENA_BYTES, Endpoint } from "../helpers/endpoint.ts";
import { serve } from "../helpers/scenarios.ts";

const log = pino({ level: "silent" });
const loopback = parseAddress("127.0.0.1");
const neighbour = parseAddress("10.2.0.2");
const READ_AT = 1 << 20;

function openEndpoint(): Endpoint {
  const arena = openArena(ENDPOINT_ARENA_BYTES);
  return new Endpoint(openUdpPort(arena, log), arena);
}

const endpoint = openEndpoint();
const openSocket = () => endpoint.port.open({ address: loopback, port: 0 });

function sendTo(socket: DatagramSocket, count = 1): void {
  const message = { socket, to: loopback, port: socket.port, bytes: Uint8Array.of(1) };
  endpoint.send(...new Array(count).fill(message));
}

function openMirrorlessTun() {
  const arena = openArena(ENDPOINT_ARENA_BYTES);
  const tun = openTun({ name: "loop0", mtu: 1400 }, arena, log);
  execFileSync("ip", ["addr", "add", "10.2.0.1/24", "dev", "loop0"]);
  return { tun, read: () => tun.read(0, arena.length, 1) };
}

/** Timers, turns of the loop and another socket, all counted while something else floods. */
class Others {
  turns = 0;
  timeouts = 0;
  otherCalls = 0;
  private running = true;
  private readonly startedMs = performance.now();
  private readonly other = openSocket();

  constructor() {
    const turn = () => {
      this.turns++;
      if (this.running) setImmediate(turn);
    };
    const timeout = () => {
      this.timeouts++;
      if (this.running) setTimeout(timeout, 1);
    };
    turn();
    timeout();
    this.other.start(() => {
      this.otherCalls++;
      this.other.receive(READ_AT, 2000, 1);
      sendTo(this.other);
    });
    sendTo(this.other);
  }

  stop() {
    this.running = false;
    this.other.close();
    const { turns, timeouts, otherCalls } = this;
    return { turns, timeouts, otherCalls, elapsedMs: performance.now() - this.startedMs };
  }
}

const FLOOD_CALLS = 5000;
const FLOOD_BACKLOG = 64;

function worker(doing: string) {
  return new Worker(new URL("./polling-worker.js", import.meta.url), { workerData: doing });
}

export const scenarios = {
  /** A socket that is always readable. */
  async udpFlood() {
    const flooded = openSocket();
    const others = new Others();
    let calls = 0;
    sendTo(flooded, FLOOD_BACKLOG);
    await new Promise<void>((resolve) => {
      flooded.start(() => {
        flooded.receive(READ_AT, 2000, 1);
        sendTo(flooded);
        if (++calls === FLOOD_CALLS) resolve();
      });
    });
    const counts = others.stop();
    endpoint.port.close();
    return { calls, ...counts };
  },

  /** A TUN device that is always readable. */
  async tunFlood() {
    const { tun, read } = openMirrorlessTun();
    const sender = endpoint.port.open({ address: parseAddress("10.2.0.1"), port: 0 });
    const message = { socket: sender, to: neighbour, port: 9, bytes: Uint8Array.of(1) };
    const others = new Others();
    let calls = 0;
    endpoint.send(...new Array(FLOOD_BACKLOG).fill(message));
    await new Promise<void>((resolve) => {
      tun.start(() => {
        read();
        endpoint.send(message);
        if (++calls === FLOOD_CALLS) resolve();
      });
    });
    const counts = others.stop();
    tun.close();
    endpoint.port.close();
    return { calls, ...counts };
  },

  /** A device and a socket, both readable; whichever comes first closes the other. */
  async closeEachOther() {
    const { tun, read } = openMirrorlessTun();
    const sender = endpoint.port.open({ address: parseAddress("10.2.0.1"), port: 0 });
    const socket = openSocket();
    const called = { tun: 0, socket: 0 };
    tun.start(() => {
      called.tun++;
      socket.close();
      read();
    });
    socket.start(() => {
      called.socket++;
      tun.close();
      socket.receive(READ_AT, 2000, 8);
    });
    endpoint.send({ socket: sender, to: neighbour, port: 9, bytes: Uint8Array.of(1) });
    sendTo(socket);
    await sleep(50);
    tun.close();
    endpoint.port.close();
    return called;
  },

  /** In its callback a socket closes and another one opens, which has the same descriptor. */
  async reopen(times: number) {
    const descriptors = new Set<number>();
    const received: number[] = [];
    await new Promise<void>((resolve) => {
      const next = (round: number) => {
        const socket = openSocket();
        descriptors.add(socket.id);
        endpoint.send({ socket, to: loopback, port: socket.port, bytes: Uint8Array.of(round) });
        socket.start(() => {
          received.push(...endpoint.receive(socket).map(({ bytes }) => bytes[0]!));
          socket.close();
          if (round + 1 < times) next(round + 1);
          else resolve();
        });
      };
      next(0);
    });
    return { descriptors: descriptors.size, received };
  },

  /** A callback that throws. */
  async throwing() {
    const socket = openSocket();
    const errors: string[] = [];
    process.on("uncaughtException", (error) => errors.push(error.message));
    let calls = 0;
    socket.start(() => {
      calls++;
      socket.receive(READ_AT, 2000, 1);
      throw new Error(`call ${calls}`);
    });
    sendTo(socket, 3);
    await sleep(50);
    socket.close();
    return { errors, calls };
  },

  /** Ends the process with polls open, one of them readable. */
  exiting() {
    const socket = openSocket();
    openSocket().start(() => {});
    socket.start(() => {});
    sendTo(socket);
    setTimeout(() => process.exit(0), 20);
    return true;
  },

  /** Workers with the addon end one after the other; the main thread's socket goes on. */
  async workers(doing: string, times: number) {
    const ours = openSocket();
    let received = 0;
    ours.start(() => {
      received += endpoint.receive(ours).length;
    });
    const codes: number[] = [];
    const errors: string[] = [];
    for (let i = 0; i < times; i++) {
      const thread = worker(doing);
      thread.on("error", (error) => errors.push(error.message));
      const exited = once(thread, "exit").catch(() => [1]);
      // A worker's error may come before its message, and is the answer then.
      await once(thread, "message").catch(() => {});
      if (doing === "floods" || doing === "idles") await thread.terminate();
      codes.push((await exited)[0]);
      sendTo(ours);
      await sleep(5);
    }
    endpoint.port.close();
    return { codes, errors, received };
  },

  /** Several workers at once, beside the main thread. */
  async together(times: number) {
    const threads = Array.from({ length: times }, () => worker("floods"));
    await Promise.all(threads.map((thread) => once(thread, "message")));
    return Promise.all(threads.map((thread) => thread.terminate()));
  },
};

await serve(scenarios);
