/**
 * Script: plays a video that comes in chunks over HTTP, through a proxy if there is one, for some time; then prints what
 * that was like, as JSON.
 *
 *     node player.js '{"seconds": 30, …}'     (a PlayerOptions)
 */
import { Agent, type RequestOptions, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Playback } from "./playback.ts";
import type { PlayerOptions, PlayerReport } from "./player-report.ts";

const options = JSON.parse(process.argv[2]!) as PlayerOptions;
const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: options.from });
const playback = new Playback(options);
const report: PlayerReport = {
  received: { atS: [], values: [] },
  buffer: { atS: [], values: [] },
  quality: { atS: [], values: [] },
  stalledS: { atS: [], values: [] },
};
const startMs = performance.now();
const SAMPLE_MS = 500;
let bytes = 0;

setInterval(() => {
  const atS = now();
  playback.advance(atS);
  const add = (series: { atS: number[]; values: number[] }, value: number) => {
    series.atS.push(atS);
    series.values.push(value);
  };
  add(report.received, (bytes * 8) / SAMPLE_MS / 1000);
  add(report.buffer, playback.bufferS);
  add(report.quality, playback.level);
  add(report.stalledS, playback.stalledS);
  bytes = 0;
}, SAMPLE_MS);

setTimeout(() => {
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit());
}, options.seconds * 1000);

for (;;) {
  playback.advance(now());
  const { waitS, levelMbit } = playback.nextChunk();
  if (waitS > 0) {
    await sleep(waitS * 1000);
    continue;
  }
  const [beganS, bits] = [now(), levelMbit * 1e6 * options.chunkS];
  await fetchChunk(Math.round(bits / 8)).catch(fail);
  playback.advance(now());
  playback.addChunk(bits / 1e6 / (now() - beganS), beganS);
}

function fail(error: Error): never {
  process.stderr.write(`player: ${error.message}\n`);
  process.exit(1);
}

function now(): number {
  return (performance.now() - startMs) / 1000;
}

function fetchChunk(size: number): Promise<void> {
  const url = `http://${options.server}/${size}`;
  const [host, port] = (options.proxy ?? options.server).split(":") as [string, string];
  const target: RequestOptions = {
    agent,
    host,
    port: Number(port),
    path: options.proxy === undefined ? `/${size}` : url,
  };
  return new Promise((resolve, reject) => {
    const asked = request({ ...target, headers: { host: options.server } }, (response) => {
      let got = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        got += chunk.length;
      });
      // A proxy answers for a web that it cannot reach, at once and with a page: no chunk of a video.
      response.on("end", () => {
        if (response.statusCode === 200 && got === size) resolve();
        else reject(new Error(`${url}: HTTP ${response.statusCode}, ${got} bytes instead of ${size}`));
      });
      response.on("error", reject);
    });
    asked.on("error", reject);
    asked.end();
  });
}
