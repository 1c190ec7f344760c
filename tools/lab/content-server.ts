/**
 * Script: an HTTP server on a port, which answers GET /N with N bytes of the lab's content, and PUT when it has all.
 *
 *     node content-server.js PORT
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { contentChunks } from "./content.ts";

const port = Number(process.argv[2]);

createServer(answer).listen(port, "::", () => console.log("ready"));

function answer(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === "PUT") {
    request.resume().on("end", () => response.end());
    return;
  }
  const size = /^\/(\d{1,12})$/.exec(request.url ?? "")?.[1];
  if (size === undefined) {
    response.writeHead(404).end("ask for /N, a number of bytes\n");
    return;
  }
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": size });
  const content = Readable.from(contentChunks(Number(size)), { objectMode: false });
  content.pipe(response);
  // A client that goes away in the middle ends its own transfer only.
  response.on("error", () => content.destroy());
}
