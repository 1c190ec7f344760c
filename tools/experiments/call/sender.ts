/**
 * Script: sends audio and video to a receiver, until it is ended.
 *
 *     node sender.js FROM TO AUDIO_PORT VIDEO_PORT MOST_VIDEO_BITS_PER_S
 */
import { createSocket } from "node:dgram";
import { AUDIO, HEADER_BYTES, nowMs, readFeedback, VIDEO, writeMedia } from "./format.ts";
import { RateControl } from "./rate-control.ts";

const [from, to] = process.argv.slice(2, 4) as [string, string];
const [audioPort, videoPort, mostBitsPerS] = process.argv.slice(4).map(Number) as [number, number, number];

const AUDIO_EVERY_MS = 20;
/** 64 kbit/s. */
const AUDIO_BYTES = 160;
const FRAME_EVERY_MS = 1000 / 30;
const MOST_PACKET_BYTES = 1100;
const START_BITS_PER_S = 500_000;
const KEY_FRAME_TIMES = 2;
const KEY_EVERY_MS = 500;
const HISTORY_PACKETS = 2000;
const TICK_MS = 2;
/** Frames leave within this share of the time until the next. */
const PACING = 0.6;

const audio = createSocket("udp4");
const video = createSocket("udp4");
const rate = new RateControl(START_BITS_PER_S, mostBitsPerS, nowMs());
const history = new Map<number, Buffer>();
const queue: { buffer: Buffer; atMs: number }[] = [];
let audioSequence = 0;
let videoSequence = 0;
let frameNumber = 0;
let wantsKey = true;
let keySentMs = Number.NEGATIVE_INFINITY;
let nextAudioMs = nowMs();
let nextFrameMs = nowMs();

video.on("message", (message) => {
  const feedback = readFeedback(message);
  if (feedback.report !== undefined) rate.handleReport(feedback.report, nowMs());
  for (const sequence of feedback.missing) {
    const buffer = history.get(sequence);
    if (buffer !== undefined) send(video, videoPort, buffer);
  }
  wantsKey ||= feedback.wantsKey && nowMs() - keySentMs > KEY_EVERY_MS;
});

audio.bind(0, from);
video.bind(0, from, () => setInterval(tick, TICK_MS));

function tick(): void {
  const now = nowMs();
  rate.handleTick(now);
  for (; nextAudioMs <= now; nextAudioMs += AUDIO_EVERY_MS) sendAudio(now);
  for (; nextFrameMs <= now; nextFrameMs += FRAME_EVERY_MS) makeFrame(now);
  while (queue.length > 0 && queue[0]!.atMs <= now) send(video, videoPort, queue.shift()!.buffer);
}

function sendAudio(now: number): void {
  const packet = {
    kind: AUDIO,
    isKey: false,
    place: 0,
    sequence: audioSequence++,
    sentMs: now,
    frame: 0,
    packets: 1,
  };
  send(audio, audioPort, writeMedia(packet, HEADER_BYTES + AUDIO_BYTES));
}

function makeFrame(now: number): void {
  const isKey = wantsKey;
  if (isKey) keySentMs = now;
  wantsKey = false;
  const bytes = (rate.bitsPerS / 8 / 1000) * FRAME_EVERY_MS * (isKey ? KEY_FRAME_TIMES : 1);
  const packets = Math.max(1, Math.ceil(bytes / MOST_PACKET_BYTES));
  const frame = frameNumber++;
  for (let place = 0; place < packets; place++) {
    const sequence = videoSequence++;
    const packet = { kind: VIDEO, isKey, place, sequence, sentMs: now, frame, packets };
    const buffer = writeMedia(packet, Math.round(bytes / packets));
    history.set(sequence, buffer);
    history.delete(sequence - HISTORY_PACKETS);
    queue.push({ buffer, atMs: now + (PACING * FRAME_EVERY_MS * place) / packets });
  }
}

/** A way that is down refuses; so does a full one. Both are what the receiver reports about. */
function send(socket: typeof audio, port: number, buffer: Buffer): void {
  socket.send(buffer, port, to, () => {});
}
