import type { Rng } from "../../src/core/base/rng.ts";
import { fromHex, readTestJson, toHex, vectors } from "../vectors/load.ts";
import type { Target } from "./targets.ts";

/** Bytes around the packet in the arena. */
const AROUND = 64;
const LENGTH_MAX = 4096;

export class FuzzFailure extends Error {
  readonly target: string;
  readonly hex: string;

  constructor(target: string, bytes: Uint8Array, cause: unknown) {
    super(`${target}: ${cause instanceof Error ? cause.message : cause}\n  ${toHex(bytes)}`, { cause });
    this.name = "FuzzFailure";
    this.target = target;
    this.hex = toHex(bytes);
  }
}

/** Every known-byte vector, packets also as a TUN device gives them, and what failed once. */
export function corpus(): Uint8Array[] {
  const known = ["control-block", "control-body", "datagrams", "ip-packets"].flatMap((name) => vectors(name));
  const failed = readTestJson<{ why: string; hex: string }[]>("fuzz", "corpus.json");
  const fromDevice = vectors("ip-packets").map(({ hex }) => `00 01 0000 0500 0000 0000 ${hex}`);
  return [...known.map(({ hex }) => hex), ...fromDevice, ...failed.map(({ hex }) => hex)].map(fromHex);
}

/** Runs a parser over bytes; throws a FuzzFailure where it throws, reads what is not there, or writes. */
export function exercise(target: Target, bytes: Uint8Array): void {
  try {
    // In a buffer of its own a read in front or behind throws a RangeError.
    const alone = bytes.slice();
    const expected = JSON.stringify(target.run(new DataView(alone.buffer), 0, alone.length));
    if (!same(alone, bytes)) throw new Error("has changed the packet");
    // In an arena it must not make a difference what lies around.
    for (const fill of [0x00, 0x45, 0xff]) {
      const arena = new Uint8Array(AROUND + bytes.length + AROUND).fill(fill);
      arena.set(bytes, AROUND);
      const before = arena.slice();
      const answer = JSON.stringify(target.run(new DataView(arena.buffer), AROUND, bytes.length));
      if (answer !== expected) throw new Error(`depends on what lies around: ${answer}, not ${expected}`);
      if (!same(arena, before)) throw new Error("has changed the arena");
    }
  } catch (error) {
    throw new FuzzFailure(target.name, bytes, error);
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Bytes that have something of the seeds and something that none of them has. */
export function mutate(rng: Rng, seeds: readonly Uint8Array[]): Uint8Array {
  let bytes: Uint8Array = pick(rng, seeds).slice();
  for (let n = rng.below(6); n >= 0; n--) bytes = MUTATIONS[rng.below(MUTATIONS.length)]!(rng, bytes, seeds);
  return bytes.slice(0, LENGTH_MAX);
}

type Mutation = (rng: Rng, bytes: Uint8Array, seeds: readonly Uint8Array[]) => Uint8Array;

const TELLING = [0x00, 0x01, 0x03, 0x04, 0x06, 0x0f, 0x10, 0x11, 0x2c, 0x45, 0x60, 0x7f, 0x80, 0xfe, 0xff];

const MUTATIONS: readonly Mutation[] = [
  // One bit.
  (rng, bytes) => change(rng, bytes, (byte) => byte ^ (1 << rng.below(8))),
  // One byte: any, or one that tends to mean something.
  (rng, bytes) => change(rng, bytes, () => rng.below(256)),
  (rng, bytes) => change(rng, bytes, () => pick(rng, TELLING)),
  // A little more or less: lengths.
  (rng, bytes) => change(rng, bytes, (byte) => byte + rng.below(9) - 4),
  // The end off, or the beginning.
  (rng, bytes) => bytes.slice(0, rng.below(bytes.length + 1)),
  (rng, bytes) => bytes.slice(rng.below(bytes.length + 1)),
  // Something in between, or out of it.
  (rng, bytes) => {
    const at = rng.below(bytes.length + 1);
    return join(bytes.subarray(0, at), random(rng, rng.below(16)), bytes.subarray(at));
  },
  (rng, bytes) => {
    const at = rng.below(bytes.length + 1);
    return join(bytes.subarray(0, at), bytes.subarray(at + rng.below(16)));
  },
  // The beginning of one and the end of another.
  (rng, bytes, seeds) => {
    const other = pick(rng, seeds);
    return join(bytes.subarray(0, rng.below(bytes.length + 1)), other.subarray(rng.below(other.length + 1)));
  },
  // A part of it once more.
  (rng, bytes) => {
    const at = rng.below(bytes.length + 1);
    return join(bytes, bytes.subarray(at, at + rng.below(64)));
  },
];

function change(rng: Rng, bytes: Uint8Array, by: (byte: number) => number): Uint8Array {
  const at = rng.below(bytes.length);
  if (bytes.length > 0) bytes[at] = by(bytes[at]!);
  return bytes;
}

function random(rng: Rng, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => rng.below(256));
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function pick<T>(rng: Rng, from: readonly T[]): T {
  return from[rng.below(from.length)]!;
}
