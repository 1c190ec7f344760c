import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TUN_READ_BYTES } from "../../../src/core/router/context.ts";
import { TRAILER_BYTES } from "../../../src/core/wire/control-block.ts";
import { LONE_LAYOUT, loneContext } from "../../helpers/context.ts";
import { check } from "../../helpers/property.ts";

const ARENA = new Uint8Array(LONE_LAYOUT.end);
/** Reads begin at whole cache lines. */
const LINE = 64;
const LOOKED_AT = 8;

/** What was read and built at one time: where it stands, and its place in the two rings. */
interface Written {
  dataAt: number;
  dataEnd: number;
  headerAt: number;
  headerEnd: number;
  dataMark: number;
  headerMark: number;
}

/** The two rings as the device and the router fill them; each line of the arena knows what was written there last. */
class World {
  readonly context = loneContext(ARENA);
  readonly written: Written[] = [];
  private readonly dataOf = new Int32Array(LONE_LAYOUT.slotsStart / LINE);
  private readonly headerOf = new Int32Array(LONE_LAYOUT.inScratch - LONE_LAYOUT.outScratch);
  private nowUs = 0;

  /** The device gives `bytes` bytes; a header of `headerBytes` bytes is built for each of `segments` segments. */
  read(bytes: number, segments: number, headerBytes: number, laterUs: number): void {
    const { context } = this;
    const id = this.written.length + 1;
    const [dataAt, dataEnd, dataMark] = [context.tunAt, context.tunAt + bytes, context.tunTotal];
    if (dataEnd > LONE_LAYOUT.slotsStart) throw new Error("the ring of reads is left");
    this.dataOf.fill(id, dataAt / LINE, Math.ceil(dataEnd / LINE));
    context.reserve(segments, headerBytes);
    const [headerAt, headerMark] = [context.scratch, context.headerMark];
    const headerEnd = headerAt + segments * (headerBytes + TRAILER_BYTES);
    if (headerAt < LONE_LAYOUT.outScratch || headerEnd > LONE_LAYOUT.inScratch)
      throw new Error("the ring of headers is left");
    this.headerOf.fill(id, headerAt - LONE_LAYOUT.outScratch, headerEnd - LONE_LAYOUT.outScratch);
    context.scratch = headerEnd;
    this.written.push({ dataAt, dataEnd, headerAt, headerEnd, dataMark, headerMark });
    this.nowUs += laterUs;
    context.advanceTun(dataEnd, this.nowUs);
  }

  /** How many are said to be kept. The oldest of these, the next to be overwritten, must be unchanged. */
  kept(): number {
    let [gone, oldest] = [-1, this.written.length];
    while (gone + 1 < oldest) {
      const middle = (gone + oldest) >> 1;
      if (this.isKept(middle)) oldest = middle;
      else gone = middle;
    }
    for (let i = oldest; i < Math.min(oldest + LOOKED_AT, this.written.length); i++) this.look(i);
    return this.written.length - oldest;
  }

  private isKept(i: number): boolean {
    const { dataMark, headerMark } = this.written[i]!;
    return this.context.isKept(dataMark, headerMark);
  }

  private look(i: number): void {
    const { dataAt, dataEnd, headerAt, headerEnd } = this.written[i]!;
    const data = this.dataOf.subarray(dataAt / LINE, Math.ceil(dataEnd / LINE));
    const headers = this.headerOf.subarray(
      headerAt - LONE_LAYOUT.outScratch,
      headerEnd - LONE_LAYOUT.outScratch,
    );
    if (!data.every((id) => id === i + 1)) throw new Error(`read ${i} is overwritten`);
    if (!headers.every((id) => id === i + 1)) throw new Error(`the headers of read ${i} are overwritten`);
  }
}

/** So many reads of the same kind. */
const step = fc.record({
  reads: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1000 })),
  bytes: fc.oneof(
    fc.constantFrom(1, LINE, LINE + 1, 1510, TUN_READ_BYTES),
    fc.integer({ min: 1, max: 2000 }),
    fc.integer({ min: 1, max: TUN_READ_BYTES }),
  ),
  segments: fc.integer({ min: 1, max: 46 }),
  headerBytes: fc.integer({ min: 0, max: 80 }),
  // At the shortest the ring becomes the short one of high rates.
  laterUs: fc.constantFrom(10, 1000, 100_000),
});

describe("what was read from the device and built for it", () => {
  it("is unchanged as long as it is said to be kept", () => {
    check(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const world = new World();
        for (const { reads, bytes, segments, headerBytes, laterUs } of steps) {
          for (let i = 0; i < reads; i++) {
            world.read(bytes, segments, headerBytes, laterUs);
            // Looked at after every kind of read, and now and then in between.
            if (i % 100 === 0) world.kept();
          }
          world.kept();
        }
      }),
      40,
    );
  });

  it("is unchanged when every read leaves the rest of a line unused", () => {
    const world = new World();
    for (let i = 0; i < 1.5 * (LONE_LAYOUT.slotsStart / (2 * LINE)); i++) {
      world.read(LINE + 1, 1, 0, 1000);
      if (i % 1000 === 0) expect(world.kept()).toBeGreaterThan(0);
    }
  });

  it("is kept for most of a turn of the ring", () => {
    const world = new World();
    for (let i = 0; i < 100; i++) world.read(LONE_LAYOUT.slotsStart / 100 - LINE, 1, 0, 1000);
    // What is being read, and what may be read next, is left out of it.
    expect(world.kept()).toBeGreaterThan(70);
  });
});
