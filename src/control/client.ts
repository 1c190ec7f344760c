import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Params, RpcErrorBody } from "./protocol.ts";
import { RpcError } from "./protocol.ts";

export interface ControlClientOptions {
  /** How long to wait for an answer. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;
const CLOSED = "the daemon closed the connection";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A connection to a running daemon. */
export class ControlClient {
  /** When the daemon has closed the connection. */
  readonly closed: Promise<void>;
  private readonly socket: Socket;
  private readonly timeoutMs: number;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private rest = "";

  private constructor(socket: Socket, timeoutMs: number) {
    this.socket = socket;
    this.timeoutMs = timeoutMs;
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => this.take(chunk));
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        for (const { reject } of this.waiting.values()) reject(new Error(CLOSED));
        this.waiting.clear();
        resolve();
      });
    });
  }

  /** Throws the system's error, with its code, where nobody listens. */
  static async connect(path: string, options: ControlClientOptions = {}): Promise<ControlClient> {
    const socket = connect(path);
    await once(socket, "connect");
    return new ControlClient(socket, options.timeoutMs ?? TIMEOUT_MS);
  }

  call<T>(method: string, params: Params = {}): Promise<T> {
    if (this.socket.destroyed) return Promise.reject(new Error(CLOSED));
    const id = ++this.lastId;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Error(`the daemon has not answered within ${this.timeoutMs / 1000} s`));
      }, this.timeoutMs);
      this.waiting.set(id, {
        resolve: (result) => {
          clearTimeout(timer);
          resolve(result as T);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.socket.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private take(chunk: string): void {
    const lines = (this.rest + chunk).split("\n");
    this.rest = lines.pop()!;
    for (const line of lines) {
      const { id, result, error } = JSON.parse(line) as {
        id: number;
        result?: unknown;
        error?: RpcErrorBody;
      };
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new RpcError(error.code, error.message));
    }
  }
}
