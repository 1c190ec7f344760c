import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseAddress } from "../../src/io/address.ts";
import { openArena } from "../../src/io/native.ts";
import type { UdpOffloads } from "../../src/io/port.ts";
import { openUdpPort } from "../../src/io/udp.ts";
import { ENDPOINT_ARENA_BYTES, Endpoint, type NetworkError } from "../helpers/endpoint.ts";
import { logLines } from "../helpers/log-lines.ts";
import { pattern } from "../helpers/packets.ts";
import { serve } from "../helpers/scenarios.ts";

export interface SocketSpec {
  address: string;
  port?: number;
  device?: string;
  mark?: number;
}

export interface MessageSpec {
  /** Index of the socket; 0 where it is left out. */
  by?: number;
  /** The receiver where it is left out. */
  to?: string;
  port?: number;
  length: number;
  segment?: number;
  tos?: number;
}

export interface SendingSpec {
  sockets: SocketSpec[];
  /** Where the receiver listens. */
  receiver: string;
  receiverDevice?: string;
  messages: MessageSpec[];
  /** Commands to run between opening and sending. */
  commands?: string[];
  offloads?: Partial<UdpOffloads>;
  bufferBytes?: number;
  /** Waits so long for answers of the network before the error queues are read. */
  answers?: number;
}

export const scenarios = {
  /** Sends one plan and tells what became of each message, what arrived and what the network answered. */
  async sending(spec: SendingSpec) {
    const {
      sockets,
      receiver,
      receiverDevice,
      messages,
      commands = [],
      offloads = {},
      bufferBytes,
      answers,
    } = spec;
    const { log, lines } = logLines();
    const buffers = bufferBytes === undefined ? {} : { bufferBytes };
    const arena = openArena(ENDPOINT_ARENA_BYTES);
    const endpoint = new Endpoint(openUdpPort(arena, log, { offloads, ...buffers }), arena);
    const others = openArena(ENDPOINT_ARENA_BYTES);
    const receiving = new Endpoint(openUdpPort(others, log), others);
    const device = receiverDevice === undefined ? {} : { device: receiverDevice };
    const to = receiving.port.open({ address: parseAddress(receiver), port: 0, ...device });
    const by = sockets.map(({ address, port = 0, ...rest }) =>
      endpoint.port.open({ address: parseAddress(address), port, ...rest }),
    );
    for (const command of commands) execFileSync("sh", ["-c", command]);
    const { sent, statuses } = endpoint.send(
      ...messages.map((message, i) => ({
        socket: by[message.by ?? 0]!,
        to: parseAddress(message.to ?? receiver),
        port: message.port ?? to.port,
        bytes: pattern(message.length, i),
        segment: message.segment ?? 0,
        tos: message.tos ?? 0,
      })),
    );
    const errors: NetworkError[] = [];
    for (let i = 0; i < 200 && answers !== undefined && errors.length < answers; i++) {
      await sleep(5);
      for (const socket of by) errors.push(...endpoint.errors(socket));
    }
    for (const socket of by) errors.push(...endpoint.errors(socket));
    const received = receiving
      .receive(to)
      .map(({ bytes, tos, from }) => ({ length: bytes.length, tos, from }));
    const { counters } = endpoint.port;
    endpoint.port.close();
    receiving.port.close();
    return { sent, statuses, errors, received, counters, lines };
  },

  /** What opening sockets says, one after the other, all kept open. */
  openings(all: SocketSpec[]) {
    const { log, lines } = logLines();
    const port = openUdpPort(openArena(ENDPOINT_ARENA_BYTES), log);
    const results = all.map(({ address, port: number = 0, ...rest }) => {
      try {
        port.open({ address: parseAddress(address), port: number, ...rest });
        return null;
      } catch (error) {
        return (error as Error).message;
      }
    });
    port.close();
    return { results, lines };
  },

  /** The buffers that the kernel gave a socket, as ss sees them. */
  buffers(bufferBytes: number) {
    const port = openUdpPort(openArena(ENDPOINT_ARENA_BYTES), logLines().log, { bufferBytes });
    const socket = port.open({ address: parseAddress("10.1.0.1"), port: 0 });
    const text = execFileSync("ss", ["-unmaH", `sport = :${socket.port}`], { encoding: "utf8" });
    port.close();
    const [, receive, send] = /rb(\d+),.*tb(\d+),/.exec(text)!;
    return { receive: Number(receive), send: Number(send) };
  },
};

await serve(scenarios);
