/** JSON-RPC 2.0 over a Unix socket: one request or response in a line, one request after the other. */

export const REQUEST_MAX_BYTES = 1 << 16;

export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;

export type RequestId = number | string | null;
export type Params = Readonly<Record<string, unknown>>;

export interface Request {
  /** Undefined: nobody waits for an answer. */
  readonly id: RequestId | undefined;
  readonly method: string;
  readonly params: Params;
}

export interface RpcErrorBody {
  readonly code: number;
  readonly message: string;
}

/** What a method answers to a request that it cannot serve. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Reads a line as a request. */
export function parseRequest(line: string): Request {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new RpcError(PARSE_ERROR, "this line is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RpcError(INVALID_REQUEST, "a request is an object");
  }
  const { jsonrpc, id, method, params } = value as Record<string, unknown>;
  if (jsonrpc !== "2.0" || typeof method !== "string") {
    throw new RpcError(INVALID_REQUEST, 'a request has "jsonrpc": "2.0" and a method');
  }
  if (id !== undefined && id !== null && typeof id !== "number" && typeof id !== "string") {
    throw new RpcError(INVALID_REQUEST, "an id is a number, a string or null");
  }
  if (params !== undefined && (typeof params !== "object" || params === null || Array.isArray(params))) {
    throw new RpcError(INVALID_PARAMS, "params are an object");
  }
  return { id, method, params: (params ?? {}) as Params };
}

export function resultLine(id: RequestId, result: unknown): string {
  return `${JSON.stringify({ jsonrpc: "2.0", id, result: result ?? null })}\n`;
}

export function errorLine(id: RequestId, error: unknown): string {
  const body: RpcErrorBody =
    error instanceof RpcError
      ? { code: error.code, message: error.message }
      : { code: INTERNAL_ERROR, message: `internal error: ${(error as Error).message}` };
  return `${JSON.stringify({ jsonrpc: "2.0", id, error: body })}\n`;
}
