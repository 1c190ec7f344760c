/**
 * Script: sends the datagrams that stand on its standard input, one a line as hexadecimal digits, to ADDRESS PORT from
 * LOCAL_PORT, and prints how many came back within a second.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const [address, port, localPort] = process.argv.slice(2);
const socket = createSocket("udp4");
let answers = 0;
socket.on("message", () => answers++);
socket.bind(Number(localPort));
await once(socket, "listening");
for await (const line of createInterface(process.stdin)) {
  socket.send(Buffer.from(line, "hex"), Number(port), address);
  await sleep(1);
}
await sleep(1000);
socket.close();
console.log(answers);
