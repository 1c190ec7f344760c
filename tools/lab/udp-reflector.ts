/**
 * Script: answers every datagram with the address and port it came from, in the manner of a STUN server.
 *
 *     node udp-reflector.js ADDRESS:PORT...
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { endpointText, parseEndpoint, socketType } from "./udp-endpoint.ts";

for (const endpoint of process.argv.slice(2).map(parseEndpoint)) {
  const socket = createSocket(socketType(endpoint));
  socket.on("message", (_message, { address, port }) =>
    socket.send(endpointText({ address, port }), port, address),
  );
  socket.bind(endpoint.port, endpoint.address);
  await once(socket, "listening");
}
console.log("ready");
