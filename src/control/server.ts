import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import {
  errorLine,
  INVALID_REQUEST,
  METHOD_NOT_FOUND,
  type Params,
  parseRequest,
  REQUEST_MAX_BYTES,
  type RequestId,
  RpcError,
  resultLine,
} from "./protocol.ts";

export type Methods = Readonly<Record<string, (params: Params) => unknown>>;

export interface ControlServerOptions {
  /** A reader that has taken nothing of an answer for so long is cut off. */
  readonly stallMs?: number;
  readonly connectionsMax?: number;
}

const STALL_MS = 10_000;
const CONNECTIONS_MAX = 64;

/**
 * Answers requests on a Unix socket that only its owner can open. A connection has one request at a time: the next is
 * read when the answer has been taken, so that nobody makes the daemon keep more than one answer.
 */
export class ControlServer {
  private readonly server: Server;
  private readonly path: string;
  private readonly methods: Methods;
  private readonly stallMs: number;
  private readonly sockets = new Set<Socket>();

  private constructor(path: string, methods: Methods, options: ControlServerOptions) {
    this.path = path;
    this.methods = methods;
    this.stallMs = options.stallMs ?? STALL_MS;
    this.server = createServer((socket) => this.accept(socket));
    this.server.maxConnections = options.connectionsMax ?? CONNECTIONS_MAX;
  }

  /** Takes the place of what a daemon that is no more has left at `path`. */
  static async listen(
    path: string,
    methods: Methods,
    options: ControlServerOptions = {},
  ): Promise<ControlServer> {
    const control = new ControlServer(path, methods, options);
    rmSync(path, { force: true });
    const mask = process.umask(0o177);
    try {
      control.server.listen(path);
    } finally {
      process.umask(mask);
    }
    await once(control.server, "listening");
    chmodSync(path, 0o600);
    return control;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    rmSync(this.path, { force: true });
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.setEncoding("utf8");
    socket.setTimeout(this.stallMs, () => {
      if (socket.writableLength > 0) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => this.sockets.delete(socket));
    this.serve(socket).catch(() => socket.destroy());
  }

  private async serve(socket: Socket): Promise<void> {
    let rest = "";
    for await (const chunk of socket as AsyncIterable<string>) {
      rest += chunk;
      for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
        const line = rest.slice(0, end).trim();
        rest = rest.slice(end + 1);
        if (line === "") continue;
        const answer = line.length > REQUEST_MAX_BYTES ? TOO_LONG : await this.answer(line);
        if (answer === undefined || socket.write(answer)) continue;
        await once(socket, "drain");
      }
      if (rest.length > REQUEST_MAX_BYTES) {
        socket.end(TOO_LONG);
        return;
      }
    }
  }

  private async answer(line: string): Promise<string | undefined> {
    let id: RequestId | undefined = null;
    try {
      const request = parseRequest(line);
      id = request.id;
      const method = Object.hasOwn(this.methods, request.method) ? this.methods[request.method] : undefined;
      if (method === undefined) {
        const known = Object.keys(this.methods).join(", ");
        throw new RpcError(METHOD_NOT_FOUND, `there is no method ${request.method}; there are ${known}`);
      }
      const result = await method(request.params);
      return id === undefined ? undefined : resultLine(id, result);
    } catch (error) {
      return id === undefined ? undefined : errorLine(id, error);
    }
  }
}

const TOO_LONG = errorLine(
  null,
  new RpcError(INVALID_REQUEST, `a request has at most ${REQUEST_MAX_BYTES} bytes`),
);
