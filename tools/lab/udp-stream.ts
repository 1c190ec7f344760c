import { setTimeout as sleep } from "node:timers/promises";
import type { Host } from "./host.ts";
import { scriptCommand } from "./own-files.ts";

export interface StreamOptions {
  /** Address of the receiver to send to. */
  to: string;
  port: number;
  count: number;
  perSecond: number;
  /** Of payload in a datagram. */
  bytes?: number;
}

/** What the receiver of a stream of numbered datagrams has seen. */
export interface StreamCount {
  received: number;
  /** Without those that came before. */
  distinct: number;
  /** Those that came behind one that was sent later. */
  outOfOrder: number;
  /** Those that are not as they were sent. */
  changed: number;
  longestPauseMs: number;
}

export interface StreamResult extends StreamCount {
  sent: number;
  lostPercent: number;
}

const settleMs = 500;

/** Sends numbered datagrams at a steady rate, and tells how many arrived, and how. */
export async function udpStream(from: Host, receiver: Host, options: StreamOptions): Promise<StreamResult> {
  const { to, port, count, perSecond, bytes = 200 } = options;
  const [counter, ...counterArgs] = scriptCommand("udp-counter", "count", to, port, count);
  const counting = receiver.spawn(counter, counterArgs);
  try {
    await counting.output(/^ready$/m);
    const [sender, ...senderArgs] = scriptCommand("udp-counter", "send", to, port, count, perSecond, bytes);
    const timeoutMs = (count / perSecond) * 2000 + 20_000;
    await from.exec(sender, senderArgs, { timeoutMs });
    await sleep(settleMs);
    counting.endInput();
    const [json] = await counting.output(/^\{.*\}$/m);
    const seen = JSON.parse(json) as StreamCount;
    return { ...seen, sent: count, lostPercent: (100 * (count - seen.distinct)) / count };
  } finally {
    await counting.stop("SIGKILL");
  }
}
