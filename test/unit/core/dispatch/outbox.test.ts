import { describe, expect, it } from "vitest";
import { MESSAGE_MAX_BYTES, PIECES_MAX, PLAN_HEAD, SEGMENTS_MAX } from "../../../../src/core/batch/layout.ts";
import { NOBODY, OUTBOX_MIN_WORDS, Outbox } from "../../../../src/core/dispatch/outbox.ts";
import { planMessages } from "../../../helpers/plan-messages.ts";

const ADDRESSES = Int32Array.of(0, 0, -65536, 0x0100007f, 0, 0, -65536, 0x0200007f);

class Sender {
  readonly outbox = new Outbox(1 << 16);
  private at = 0;

  /** A datagram of three pieces that never touch in the arena, as header, payload and trailer do not. */
  send(bytes: number, { destination = 0, tos = 0 } = {}): void {
    const { outbox } = this;
    outbox.datagram(
      destination,
      10 + destination,
      ADDRESSES,
      4 * destination,
      7000 + destination,
      tos,
      bytes,
    );
    const parts = [Math.min(bytes, 1), Math.max(0, bytes - 2), Math.max(0, Math.min(bytes - 1, 1))];
    for (const part of parts) {
      if (part === 0) continue;
      outbox.plan.piece(this.at, part);
      this.at += part + 1;
    }
  }

  /** [segment size, bytes] of each message. */
  messages(): [number, number][] {
    const { plan } = this.outbox;
    return planMessages(plan).map(({ head, segment }) => [segment, plan.bytes(head)]);
  }
}

describe("the outbox", () => {
  it("makes one message of datagrams of one size", () => {
    const sender = new Sender();
    for (let i = 0; i < 5; i++) sender.send(1000);
    expect(sender.messages()).toEqual([[1000, 5000]]);
  });

  it("makes no message of datagrams to receivers without a number, who may be any", () => {
    const { outbox } = new Sender();
    for (const port of [1, 2]) outbox.datagram(NOBODY, 10, ADDRESSES, 0, port, 0, 100);
    expect(planMessages(outbox.plan).map(({ port }) => port)).toEqual([1, 2]);
  });

  it("lets the last datagram of a message be shorter", () => {
    const sender = new Sender();
    for (const bytes of [1000, 1000, 700]) sender.send(bytes);
    expect(sender.messages()).toEqual([[1000, 2700]]);
  });

  it("ends a message behind a shorter datagram, whatever follows", () => {
    for (const next of [1000, 700, 300]) {
      const sender = new Sender();
      for (const bytes of [1000, 700, next]) sender.send(bytes);
      expect(sender.messages()).toEqual([
        [1000, 1700],
        [next, next],
      ]);
    }
  });

  it("begins a message for a longer datagram", () => {
    const sender = new Sender();
    for (const bytes of [1000, 1001, 1001]) sender.send(bytes);
    expect(sender.messages()).toEqual([
      [1000, 1000],
      [1001, 2002],
    ]);
  });

  it("never joins an empty datagram to another, which would make it vanish", () => {
    const sender = new Sender();
    for (const bytes of [1000, 0, 0, 1000]) sender.send(bytes);
    expect(sender.messages()).toEqual([
      [1000, 1000],
      [0, 0],
      [0, 0],
      [1000, 1000],
    ]);
  });

  it("begins a message when the destination changes, and routes it there", () => {
    const sender = new Sender();
    for (const destination of [0, 1, 1, 0]) sender.send(100, { destination });
    const messages = planMessages(sender.outbox.plan);
    expect(messages.map(({ socket, port }) => [socket, port])).toEqual([
      [10, 7000],
      [11, 7001],
      [10, 7000],
    ]);
    expect(messages[1]!.address).toEqual(ADDRESSES.slice(4));
  });

  it("begins a message when the TOS changes", () => {
    const sender = new Sender();
    for (const tos of [0, 0xb8, 0xb8, 0]) sender.send(100, { tos });
    expect(planMessages(sender.outbox.plan).map(({ tos, segment }) => [tos, segment])).toEqual([
      [0, 100],
      [0xb8, 100],
      [0, 100],
    ]);
    expect(sender.messages().map(([, bytes]) => bytes)).toEqual([100, 200, 100]);
  });

  it("puts no more datagrams in a message than the kernel cuts", () => {
    const sender = new Sender();
    for (let i = 0; i < SEGMENTS_MAX + 1; i++) sender.send(100);
    expect(sender.messages()).toEqual([
      [100, 100 * SEGMENTS_MAX],
      [100, 100],
    ]);
  });

  it("puts no more bytes in a message than a UDP message has", () => {
    const sender = new Sender();
    const bytes = Math.floor(MESSAGE_MAX_BYTES / 40);
    const last = MESSAGE_MAX_BYTES - 39 * bytes - (MESSAGE_MAX_BYTES % 40);
    for (let i = 0; i < 40; i++) sender.send(bytes);
    expect(sender.messages()).toEqual([[bytes, 40 * bytes]]);
    expect(last).toBe(bytes);
    sender.send((MESSAGE_MAX_BYTES % 40) + 1);
    expect(sender.messages()[1]).toEqual([(MESSAGE_MAX_BYTES % 40) + 1, (MESSAGE_MAX_BYTES % 40) + 1]);
  });

  it("fills a message to the last byte that UDP allows", () => {
    const sender = new Sender();
    const bytes = Math.floor(MESSAGE_MAX_BYTES / 40);
    for (let i = 0; i < 40; i++) sender.send(bytes);
    sender.send(MESSAGE_MAX_BYTES % 40);
    expect(sender.messages()).toEqual([[bytes, MESSAGE_MAX_BYTES]]);
  });

  it("leaves room in the plan for three pieces of a datagram, or begins another message", () => {
    const sender = new Sender();
    // 64 datagrams of three pieces are far from PIECES_MAX; so the plan's own end is what is met here.
    const outbox = new Outbox(PLAN_HEAD + 2 * 3 * 2);
    for (let i = 0; i < 2; i++) {
      outbox.datagram(0, 10, ADDRESSES, 0, 7000, 0, 100);
      for (let k = 0; k < 3; k++) outbox.plan.piece(1000 * i + 100 * k, 10);
    }
    expect(outbox.plan.count).toBe(1);
    expect(outbox.fits()).toBe(false);
    expect(sender.outbox.fits()).toBe(true);
  });

  it("keeps a message below the kernel's limit of pieces", () => {
    const outbox = new Outbox(1 << 16);
    outbox.datagram(0, 10, ADDRESSES, 0, 7000, 0, PIECES_MAX);
    for (let i = 0; i < PIECES_MAX - 2; i++) outbox.plan.piece(2 * i, 1);
    outbox.datagram(0, 10, ADDRESSES, 0, 7000, 0, 3);
    for (let i = 0; i < 3; i++) outbox.plan.piece(10_000 + 2 * i, 1);
    expect(planMessages(outbox.plan).map(({ pieces }) => pieces.length)).toEqual([PIECES_MAX - 2, 3]);
  });

  it("forgets the open message when it is cleared", () => {
    const sender = new Sender();
    sender.send(100);
    sender.outbox.clear();
    sender.send(100);
    expect(sender.messages()).toEqual([[100, 100]]);
    expect(planMessages(sender.outbox.plan)[0]!.port).toBe(7000);
  });

  it("can hold the longest message in the plan it asks for at least", () => {
    expect(new Outbox(OUTBOX_MIN_WORDS).plan.fits(PIECES_MAX)).toBe(true);
    expect(new Outbox(OUTBOX_MIN_WORDS - 1).plan.fits(PIECES_MAX)).toBe(false);
  });
});
