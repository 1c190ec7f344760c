/**
 * Script: sends one datagram from a local port to each target in turn, and prints a line with the first answer from it,
 * or an empty one.
 *
 *     node udp-prober.js LOCAL_PORT TIMEOUT_MS ADDRESS:PORT...
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { type Endpoint, parseEndpoint, socketType } from "./udp-endpoint.ts";

const [localPort, timeoutMs, ...targetTexts] = process.argv.slice(2);
const targets = targetTexts.map(parseEndpoint);
const socket = createSocket(socketType(targets[0]!));
socket.bind(Number(localPort));
await once(socket, "listening");
for (const target of targets) console.log(await ask(socket, target));
socket.close();

function ask(from: Socket, target: Endpoint): Promise<string> {
  return new Promise((resolve) => {
    const end = (answer: string) => {
      clearTimeout(timer);
      from.off("message", listen);
      resolve(answer);
    };
    const listen = (message: Buffer, { address, port }: RemoteInfo) => {
      if (address === target.address && port === target.port) end(message.toString());
    };
    const timer = setTimeout(end, Number(timeoutMs), "");
    from.on("message", listen);
    from.send("?", target.port, target.address);
  });
}
