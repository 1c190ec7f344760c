import { parentPort, workerData } from "node:worker_threads";
import { pino } from "pino";
import { parseAddress } from "../../src/io/address.ts";
import { openArena } from "../../src/io/native.ts";
import { openUdpPort } from "../../src/io/udp.ts";
import { ENDPOINT_ARENA_BYTES, Endpoint } from "../helpers/endpoint.ts";

// A worker thread with the addon in it, for event-loop-child.ts. What it does with its sockets is in workerData.

const address = parseAddress("127.0.0.1");
const arena = openArena(ENDPOINT_ARENA_BYTES);
const endpoint = new Endpoint(openUdpPort(arena, pino({ level: "silent" })), arena);
const sockets = [0, 1, 2].map(() => endpoint.port.open({ address, port: 0 }));
const [first] = sockets as [(typeof sockets)[0]];
const sendToItself = () =>
  endpoint.send({ socket: first, to: address, port: first.port, bytes: Uint8Array.of(1) });

for (const socket of sockets) {
  socket.start(() => {
    if (workerData === "throws") throw new Error("out of a callback");
    if (workerData === "exits") process.exit(7);
    socket.receive(1 << 20, 2000, 1);
    // So that it is in a callback nearly always.
    if (workerData === "floods") sendToItself();
    else if (workerData === "closes") endpoint.port.close();
  });
}
if (workerData !== "idles") sendToItself();
parentPort!.postMessage("ready");
