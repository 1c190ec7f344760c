/**
 * Script: receives a call for some time, then prints what it was like, as JSON.
 *
 *     node receiver.js ADDRESS AUDIO_PORT VIDEO_PORT SECONDS
 */
import { createSocket, type RemoteInfo } from "node:dgram";
import { nowMs, readMedia, writeFeedback } from "./format.ts";
import { Frames } from "./frames.ts";
import { Missing } from "./missing.ts";
import type { CallReport } from "./report.ts";

const address = process.argv[2]!;
const [audioPort, videoPort, seconds] = process.argv.slice(3).map(Number) as [number, number, number];

const REPORT_EVERY_MS = 100;
const ASK_EVERY_MS = 5;

const audio = createSocket("udp4");
const video = createSocket("udp4");
const frames = new Frames();
const missing = new Missing();
const audioDelaysMs: number[] = [];
const audioAtS: number[] = [];
const rateAtS: number[] = [];
const rateMbit: number[] = [];
const startMs = nowMs();
let sender: RemoteInfo | undefined;
let bytes = 0;
let delaysMs: number[] = [];
let reportedMs = startMs;

audio.on("message", (message) => {
  const now = nowMs();
  const packet = readMedia(message);
  audioDelaysMs.push(now - packet.sentMs);
  audioAtS.push((now - startMs) / 1000);
});

video.on("message", (message, from) => {
  const now = nowMs();
  const packet = readMedia(message);
  sender = from;
  bytes += message.length;
  delaysMs.push(now - packet.sentMs);
  missing.handle(packet.sequence, now);
  frames.handle(packet, now);
});

audio.bind(audioPort, address, () => video.bind(videoPort, address, () => console.log("ready")));

setInterval(() => {
  const due = missing.due(nowMs());
  if (due.length > 0) answer({ missing: due, wantsKey: false });
}, ASK_EVERY_MS);

setInterval(() => {
  const now = nowMs();
  const bitsPerS = (bytes * 8000) / (now - reportedMs);
  rateAtS.push((now - startMs) / 1000);
  rateMbit.push(bitsPerS / 1e6);
  const delayMs = delaysMs.reduce((sum, delay) => sum + delay, 0) / delaysMs.length;
  const report = delaysMs.length === 0 ? {} : { report: { bitsPerS, lost: missing.takeLoss(), delayMs } };
  answer({ ...report, missing: [], wantsKey: frames.wantsKey(now) });
  reportedMs = now;
  bytes = 0;
  delaysMs = [];
}, REPORT_EVERY_MS);

function answer(feedback: Parameters<typeof writeFeedback>[0]): void {
  if (sender !== undefined) video.send(writeFeedback(feedback), sender.port, sender.address, () => {});
}

setTimeout(() => {
  const report: CallReport = {
    rate: { atS: rateAtS, values: rateMbit },
    shownS: frames.shownMs.map((shown) => (shown - startMs) / 1000),
    frameDelaysMs: frames.delaysMs,
    audioDelay: { atS: audioAtS, values: audioDelaysMs },
  };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit());
}, seconds * 1000);
