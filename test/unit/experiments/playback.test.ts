import { describe, expect, it } from "vitest";
import { Playback } from "../../../tools/experiments/video/playback.ts";

const options = { chunkS: 5, levelsMbit: [1, 2, 4], firstLevel: 1, mostBufferS: 30 };

describe("playback", () => {
  it("shows what is there, and counts when there is nothing, but for the wait at the beginning", () => {
    const playback = new Playback(options);
    playback.advance(2);
    expect(playback.stalledS).toBe(0);
    playback.addChunk(2, 0);
    playback.advance(6);
    expect(playback.bufferS).toBe(1);
    playback.advance(9);
    expect(playback).toMatchObject({ bufferS: 0, stalledS: 2 });
    playback.advance(10);
    playback.addChunk(2, 7);
    playback.advance(11);
    expect(playback).toMatchObject({ bufferS: 4, stalledS: 3 });
  });

  it("asks for nothing while there is enough", () => {
    const playback = new Playback(options);
    for (let i = 0; i < 6; i++) playback.addChunk(0.5, 0);
    expect(playback.nextChunk().waitS).toBe(5);
    playback.advance(5);
    expect(playback.nextChunk().waitS).toBe(0);
  });

  it("goes up with a reserve and a rate that allow it, and down before the reserve is gone", () => {
    const playback = new Playback(options);
    expect(playback.nextChunk().levelMbit).toBe(2);
    for (let i = 0; i < 4; i++) playback.addChunk(6, 0);
    expect(playback.nextChunk().levelMbit).toBe(4);
    playback.advance(14);
    for (let i = 0; i < 5; i++) playback.nextChunk();
    expect(playback.nextChunk().levelMbit).toBe(4);
    playback.addChunk(0.1, 14);
    playback.advance(18);
    expect(playback.nextChunk().levelMbit).toBe(2);
  });

  it("begins again, one level lower, after a jump; a chunk asked for before it is of no use", () => {
    const playback = new Playback({ ...options, seekAtS: 10 });
    for (let i = 0; i < 4; i++) playback.addChunk(2, 0);
    playback.advance(11);
    expect(playback).toMatchObject({ bufferS: 0, level: 0 });
    playback.addChunk(2, 9);
    expect(playback.bufferS).toBe(0);
    playback.addChunk(2, 11);
    expect(playback.bufferS).toBe(5);
  });
});
