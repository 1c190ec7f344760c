/**
 * Script: round-trip times of small UDP datagrams, one at a time.
 *
 *     node udp-ping-pong.js serve ADDRESS PORT
 *     node udp-ping-pong.js ask ADDRESS PORT SECONDS BYTES     prints the times in µs as a JSON array
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";

const [, , role, address, portText, secondsText, bytesText] = process.argv;
const port = Number(portText);
const socket = createSocket("udp4");

if (role === "serve") {
  socket.on("message", (message, sender) => socket.send(message, sender.port, sender.address));
  socket.bind(port, address);
  await once(socket, "listening");
  console.log("ready");
} else {
  await ask(Number(secondsText), Number(bytesText));
  socket.close();
}

async function ask(seconds: number, bytes: number): Promise<void> {
  const timesUs: number[] = [];
  const end = performance.now() + seconds * 1000;
  const message = Buffer.alloc(bytes);
  for (let sequence = 0; performance.now() < end; sequence++) {
    message.writeUInt32BE(sequence);
    const started = performance.now();
    socket.send(message, port, address);
    if (await answered(sequence)) timesUs.push((performance.now() - started) * 1000);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  console.log(JSON.stringify(timesUs));
}

/** False where the answer was lost. */
function answered(sequence: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => finish(false), 200);
    const listen = (answer: Buffer) => {
      if (answer.readUInt32BE() === sequence) finish(true);
    };
    const finish = (arrived: boolean) => {
      clearTimeout(timer);
      socket.off("message", listen);
      resolve(arrived);
    };
    socket.on("message", listen);
  });
}
