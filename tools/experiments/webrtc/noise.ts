import { writeFileSync } from "node:fs";

const WIDTH = 320;
const HEIGHT = 240;
const FRAMES = 30;

/** A video (YUV4MPEG2) of blocks that move and change, which no codec makes small: its rate is what it may be. */
export function writeNoiseVideo(path: string): void {
  const frames = Array.from({ length: FRAMES }, (_, i) => [Buffer.from("FRAME\n"), noiseFrame(i)]).flat();
  const head = Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F30:1 Ip A1:1 C420jpeg\n`);
  writeFileSync(path, Buffer.concat([head, ...frames]));
}

function noiseFrame(seed: number): Buffer {
  const frame = Buffer.alloc((WIDTH * HEIGHT * 3) / 2, 128);
  let state = seed + 1;
  for (let i = 0; i < WIDTH * HEIGHT; i++) {
    if (i % 4 === 0) state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    frame[i] = 64 + (state >>> 25);
  }
  return frame;
}
