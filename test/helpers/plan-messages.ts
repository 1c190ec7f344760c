import {
  PLAN_ADDRESS,
  PLAN_HEAD,
  PLAN_PIECES,
  PLAN_PORT,
  PLAN_SEGMENT,
  PLAN_SOCKET,
  PLAN_STATUS,
  PLAN_TOS,
} from "../../src/core/batch/layout.ts";
import type { Plan } from "../../src/core/batch/plan.ts";

/** A message of a plan, as whoever takes the plan sees it. */
export interface PlanMessage {
  head: number;
  status: number;
  socket: number;
  port: number;
  segment: number;
  tos: number;
  address: Int32Array;
  pieces: [offset: number, length: number][];
}

/** Reads a plan from its words alone. */
export function planMessages(plan: Plan): PlanMessage[] {
  const { words } = plan;
  const messages: PlanMessage[] = [];
  for (let head = 0, i = 0; i < plan.count; i++) {
    const count = words[head + PLAN_PIECES]!;
    const pieces: PlanMessage["pieces"] = [];
    for (let k = 0; k < count; k++) {
      pieces.push([words[head + PLAN_HEAD + 2 * k]!, words[head + PLAN_HEAD + 2 * k + 1]!]);
    }
    messages.push({
      head,
      status: words[head + PLAN_STATUS]!,
      socket: words[head + PLAN_SOCKET]!,
      port: words[head + PLAN_PORT]!,
      segment: words[head + PLAN_SEGMENT]!,
      tos: words[head + PLAN_TOS]!,
      address: words.slice(head + PLAN_ADDRESS, head + PLAN_ADDRESS + 4),
      pieces,
    });
    head += PLAN_HEAD + 2 * count;
  }
  return messages;
}

/** The bytes of a message, gathered. */
export function gather(arena: Uint8Array, { pieces }: PlanMessage): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, [, length]) => sum + length, 0));
  let at = 0;
  for (const [offset, length] of pieces) {
    bytes.set(arena.subarray(offset, offset + length), at);
    at += length;
  }
  return bytes;
}

/** The datagrams that a message of `segment` bytes each leaves as; one where there is no segment size. */
export function datagrams(bytes: Uint8Array, segment: number): Uint8Array[] {
  if (segment <= 0 || bytes.length <= segment) return [bytes];
  const result: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += segment) result.push(bytes.subarray(at, at + segment));
  return result;
}
