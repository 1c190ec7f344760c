/**
 * Script: numbered datagrams, sent at a steady rate or counted.
 *
 *     node udp-counter.js send ADDRESS PORT COUNT PER_SECOND BYTES
 *     node udp-counter.js count ADDRESS PORT COUNT     until its standard input ends; then prints a StreamCount
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { socketType } from "./udp-endpoint.ts";
import type { StreamCount } from "./udp-stream.ts";

const [, , role, address, ...numbers] = process.argv;
const [port, count, perSecond, bytes] = numbers.map(Number) as [number, number, number, number];
const target = { address: address!, port };
const socket = createSocket({ type: socketType(target), recvBufferSize: 4 << 20 });
await (role === "send" ? send() : receive());
socket.close();

async function send(): Promise<void> {
  const message = Buffer.alloc(bytes);
  const start = performance.now();
  for (let number = 0; number < count; ) {
    const due = Math.min(count, ((performance.now() - start) * perSecond) / 1000);
    for (; number < due; number++) {
      message.fill(number & 0xff).writeUInt32BE(number);
      await new Promise((resolve) => socket.send(message, port, address, resolve));
    }
    await sleep(1);
  }
}

async function receive(): Promise<void> {
  const seen = new Uint32Array(count);
  let latest = -1;
  const counted: StreamCount = { received: 0, distinct: 0, outOfOrder: 0, changed: 0, longestPauseMs: 0 };
  let lastMs = Number.POSITIVE_INFINITY;
  socket.on("message", (message) => {
    const number = message.readUInt32BE();
    const nowMs = performance.now();
    counted.longestPauseMs = Math.max(counted.longestPauseMs, nowMs - lastMs);
    lastMs = nowMs;
    counted.received++;
    if (seen[number]!++ === 0) counted.distinct++;
    if (message.subarray(4).some((byte) => byte !== (number & 0xff))) counted.changed++;
    if (number < latest) counted.outOfOrder++;
    latest = Math.max(latest, number);
  });
  socket.bind(port, address);
  await once(socket, "listening");
  console.log("ready");
  await once(process.stdin.resume(), "end");
  console.log(JSON.stringify(counted));
}
