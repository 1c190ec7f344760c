/** Script: ways to write the trailer of a datagram, and to read it, over scratch memory as the hot path uses it. */
import { copyWords } from "../../../src/core/base/bytes.ts";
import {
  BLOCK_DELAY,
  BLOCK_FEEDBACK_PATH,
  BLOCK_FLAGS,
  BLOCK_PATH,
  BLOCK_SESSION,
  BLOCK_TIMESTAMP,
  ControlBlock,
  FLAG_SEQUENCED,
  PATH_SEQUENCE_BYTES,
  TRAILER_BYTES,
  TrailerWriter,
  writeTrailer,
} from "../../../src/core/wire/control-block.ts";
import { compare, type Variant } from "./harness.ts";

const SCRATCH_BYTES = 1 << 20;
/** From one trailer to the next: a TCP header of 32 bytes stands in between. */
const STRIDE_BYTES = 32 + TRAILER_BYTES;
const TEMPLATE_AT = SCRATCH_BYTES;
const RUN = 32;

const [NODE_HIGH, NODE_LOW] = [0x0200, 0x5e10_0001];
const FLAGS = FLAG_SEQUENCED | 0x20;
const view = new DataView(new ArrayBuffer(SCRATCH_BYTES + 64));

const common = new ControlBlock();
common.nodeHigh = NODE_HIGH;
common.nodeLow = NODE_LOW;
common.flags = FLAGS;
common.path = 1;
common.feedbackPath = 2;
writeTrailer(view, TEMPLATE_AT, common);

/** Where the next trailer goes. */
function after(at: number): number {
  const next = at + STRIDE_BYTES;
  return next + TRAILER_BYTES + 4 > SCRATCH_BYTES ? 0 : next;
}

function patch(at: number, sequence: number, session: number): void {
  const blockAt = at + PATH_SEQUENCE_BYTES;
  view.setInt32(at, sequence);
  view.setInt32(blockAt + BLOCK_SESSION, session);
  view.setUint8(blockAt + BLOCK_FLAGS, FLAGS);
  view.setUint8(blockAt + BLOCK_PATH, 1);
  view.setUint8(blockAt + BLOCK_FEEDBACK_PATH, 2);
  view.setInt32(blockAt + BLOCK_TIMESTAMP, sequence);
  view.setInt32(blockAt + BLOCK_DELAY, -sequence);
}

const block = new ControlBlock();
Object.assign(block, common);
const writer = new TrailerWriter(NODE_HIGH, NODE_LOW);

const loop: Variant = (count) => {
  for (let n = 0, at = 0; n < count; n++, at = after(at)) view.setInt32(at, n);
  return view.getInt32(0) | 1;
};

const fieldByField: Variant = (count) => {
  for (let n = 0, at = 0; n < count; n++, at = after(at)) {
    block.session = n & 0xff;
    block.sequence = n;
    block.timestampUs = n;
    block.delayUs = -n;
    writeTrailer(view, at, block);
  }
  return view.getInt32(0) | 1;
};

const template: Variant = (count) => {
  for (let n = 0, at = 0; n < count; n++, at = after(at)) {
    copyWords(view, at, TEMPLATE_AT, TRAILER_BYTES);
    patch(at, n, n & 0xff);
  }
  return view.getInt32(0) | 1;
};

const preparedForEach: Variant = (count) => {
  for (let n = 0, at = 0; n < count; n++, at = after(at)) {
    writer.prepare(FLAGS, n & 0xff, 1, 0, 2, -n);
    writer.write(view, at, n, n);
  }
  return view.getInt32(0) | 1;
};

const preparedForRuns: Variant = (count) => {
  for (let n = 0, at = 0; n < count; n++, at = after(at)) {
    if (n % RUN === 0) writer.prepare(FLAGS, n & 0xff, 1, 0, 2, -n);
    writer.write(view, at, n, n);
  }
  return view.getInt32(0) | 1;
};

compare("writing a trailer", {
  "nothing but the loop": loop,
  "field by field, from a record": fieldByField,
  "template by copyWords, patched": template,
  "TrailerWriter, prepared for each datagram": preparedForEach,
  [`TrailerWriter, prepared for runs of ${RUN}`]: preparedForRuns,
});

const read = new ControlBlock();
const reading: Variant = (count) => {
  let sum = 0;
  for (let n = 0, at = 0; n < count; n++, at = after(at)) {
    if (read.read(view, at, TRAILER_BYTES)) sum = (sum + read.timestampUs + read.path + read.userBytes) | 0;
  }
  return sum | 1;
};
compare("reading a trailer", { "into the record": reading });
