import { mkdtempSync, rmSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ControlClient } from "../../../src/control/client.ts";
import { controlPath } from "../../../src/control/path.ts";
import { INVALID_PARAMS, REQUEST_MAX_BYTES, RpcError } from "../../../src/control/protocol.ts";
import { ControlServer } from "../../../src/control/server.ts";

const BIG = "x".repeat(8 << 20);

describe("the control socket", () => {
  let directory: string;
  let path: string;
  let server: ControlServer;
  let bigAnswers = 0;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "mpip-control-"));
    path = join(directory, "mpip0.sock");
    bigAnswers = 0;
    const methods = {
      echo: (params: object) => params,
      later: () => sleep(20, "done"),
      big: () => {
        bigAnswers++;
        return BIG;
      },
      refuse: () => {
        throw new RpcError(INVALID_PARAMS, "not like this");
      },
      fail: () => {
        throw new Error("oh");
      },
    };
    server = await ControlServer.listen(path, methods, { stallMs: 200, connectionsMax: 2 });
  });

  afterEach(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  it("is for its owner, and goes when the server does", () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    server.close();
    expect(() => statSync(path)).toThrow("ENOENT");
  });

  it("has a path that the kernel takes whole", () => {
    const longest = `/run/${"x".repeat(91)}`;
    expect(Buffer.byteLength(controlPath(longest, "mpip0"))).toBe(107);
    expect(() => controlPath(`${longest}x`, "mpip0")).toThrow(
      "/mpip0.sock has 108 bytes, and the path of a socket at most 107; choose a shorter --run-dir",
    );
  });

  it("takes the place of one that was left", async () => {
    const second = await ControlServer.listen(path, { who: () => "second" });
    const client = await ControlClient.connect(path);
    expect(await client.call("who")).toBe("second");
    client.close();
    second.close();
  });

  it("answers calls in their order", async () => {
    const client = await ControlClient.connect(path);
    const answers = await Promise.all([
      client.call("later"),
      client.call("echo", { a: 1 }),
      client.call("big"),
    ]);
    expect(answers).toEqual(["done", { a: 1 }, BIG]);
    await expect(client.call("refuse")).rejects.toMatchObject({
      code: INVALID_PARAMS,
      message: "not like this",
    });
    await expect(client.call("fail")).rejects.toMatchObject({ code: -32603, message: "internal error: oh" });
    await expect(client.call("toString")).rejects.toThrow(
      /^there is no method toString; there are echo, later/,
    );
    const waiting = client.call("later");
    server.close();
    await expect(waiting).rejects.toThrow("the daemon closed the connection");
    await client.closed;
    await expect(client.call("status")).rejects.toThrow("the daemon closed the connection");
  });

  it.each([
    ["nonsense", -32700],
    ["[]", -32600],
    ['{"method":"echo","id":1}', -32600],
    ['{"jsonrpc":"2.0","id":{},"method":"echo"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"echo","params":[1]}', -32602],
  ])("refuses %s", async (line, code) => {
    const { socket, text } = open();
    socket.write(`${line}\n`);
    expect(JSON.parse(await text(/\n/))).toMatchObject({ jsonrpc: "2.0", error: { code } });
    socket.destroy();
  });

  it("does not answer a notification", async () => {
    const { socket, text } = open();
    socket.write('{"jsonrpc":"2.0","method":"echo"}\n\n{"jsonrpc":"2.0","method":"echo","id":"a"}\n');
    expect(JSON.parse(await text(/\n/))).toEqual({ jsonrpc: "2.0", id: "a", result: {} });
    socket.destroy();
  });

  it("ends a connection whose request has no end", async () => {
    const { socket, text } = open();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write("x".repeat(REQUEST_MAX_BYTES + 1));
    expect(await text(/\n/)).toContain(`at most ${REQUEST_MAX_BYTES} bytes`);
    await closed;
  });

  it("cuts off a reader that takes nothing, having made one answer for it", async () => {
    const { socket } = open();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.pause();
    const ask = '{"jsonrpc":"2.0","id":1,"method":"big"}\n';
    socket.write(ask.repeat(50));
    await sleep(500);
    expect(bigAnswers).toBe(1);
    const client = await ControlClient.connect(path);
    expect(await client.call("echo")).toEqual({});
    client.close();
    let received = 0;
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    socket.resume();
    await closed;
    expect(received).toBeLessThan(BIG.length);
  });

  it("keeps a client that asks seldom", async () => {
    const client = await ControlClient.connect(path);
    await sleep(500);
    expect(await client.call("echo", { a: 2 })).toEqual({ a: 2 });
    client.close();
  });

  it("says what the system says where nobody listens", async () => {
    await expect(ControlClient.connect(join(directory, "none.sock"))).rejects.toMatchObject({
      code: "ENOENT",
    });
  });

  function open(): { socket: Socket; text: (end: RegExp) => Promise<string> } {
    const socket = connect(path).setEncoding("utf8");
    socket.on("error", () => {});
    const text = async (end: RegExp) => {
      let received = "";
      for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
        received += chunk;
        if (end.test(received)) break;
      }
      return received;
    };
    return { socket, text };
  }
});
