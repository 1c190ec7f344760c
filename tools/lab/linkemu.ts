import { connect } from "node:net";
import { LabProcess } from "./command.ts";
import type { DirectionStats, EmulatedLink, Emulator, LinkStats } from "./emulator.ts";
import { burstLoss, type Direction, directions, type End, type LineState } from "./line.ts";
import { namespaced } from "./namespace.ts";
import { linkemuPath } from "./own-files.ts";

const answerTimeoutMs = 10_000;

/** Starts the process that emulates all links; it ends with this one. */
export async function startLinkemu(namespace: string, socketPath: string, seed: number): Promise<void> {
  const linkemu = new LabProcess(
    [linkemuPath(), "--control", socketPath, "--seed", String(seed), "--exit-with-stdin"],
    {
      prefix: namespaced(namespace),
    },
  );
  await linkemu.output(/^ready$/m);
  linkemu.unref();
}

/** Speaks to tools/linkemu over its control socket. */
export class Linkemu implements Emulator {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  async addLinks(links: readonly EmulatedLink[]): Promise<void> {
    await this.#command(
      links.flatMap((link) => [
        `add ${link.name} ${link.interfaceA} ${link.interfaceB}`,
        ...directions.map((direction) => setCommand(link.name, direction, link.line[direction])),
      ]),
    );
  }

  async setLine(link: EmulatedLink, direction: Direction, state: LineState): Promise<void> {
    await this.#command([setCommand(link.name, direction, state)]);
  }

  async setCarrier(link: EmulatedLink, end: End, up: boolean): Promise<void> {
    await this.#command([`carrier ${link.name} ${end} ${up ? "up" : "down"}`]);
  }

  async stats(link: EmulatedLink): Promise<LinkStats> {
    const [answer] = await this.#command([`stats ${link.name}`]);
    const stats = JSON.parse(answer!) as Record<Direction, LinkemuDirection>;
    return { ab: directionStats(stats.ab), ba: directionStats(stats.ba) };
  }

  /** Sends all lines at once; returns what follows the `ok` of each answer. */
  async #command(lines: readonly string[]): Promise<string[]> {
    const answers = await askLines(this.#socketPath, lines);
    return answers.map((answer, i) => {
      if (answer === "ok" || answer.startsWith("ok ")) return answer.slice(3);
      throw new Error(`linkemu refused "${lines[i]}": ${answer.replace(/^error /, "")}`);
    });
  }
}

/** Keys that the description leaves out are written too, so that a line's state is what was set last. */
export function setCommand(link: string, direction: Direction, state: LineState): string {
  const burst = burstLoss(state);
  const settings = {
    rate_bps: Math.round((state.rateMbit ?? 0) * 1e6),
    delay_us: microseconds(state.delayMs),
    jitter_us: microseconds(state.jitterMs),
    loss: burst === undefined ? fraction(state.lossPercent) : 0,
    ge_p: burst?.enter ?? 0,
    ge_r: burst?.leave ?? 1,
    ge_loss_good: 0,
    ge_loss_bad: 1,
    reorder: fraction(state.reorderPercent),
    reorder_us: microseconds(state.reorderMs),
    queue_bytes: Math.round((state.queueKb ?? 0) * 1000),
    queue_us: microseconds(state.queueMs),
    blackhole: state.silent === true ? 1 : 0,
  };
  const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  return `set ${link} ${direction} ${words.join(" ")}`;
}

interface LinkemuDirection {
  frames_in: number;
  frames_out: number;
  bytes_out: number;
  queue_frames: number;
  queue_bytes: number;
  socket_overrun_frames: number;
  dropped: Record<string, number>;
}

function directionStats(direction: LinkemuDirection): DirectionStats {
  return {
    framesIn: direction.frames_in,
    framesOut: direction.frames_out,
    bytesOut: direction.bytes_out,
    queueFrames: direction.queue_frames,
    queueBytes: direction.queue_bytes,
    // Lost because the emulator could not keep up: a measurement with any of these is void.
    dropped: { ...direction.dropped, overrun: direction.socket_overrun_frames },
  };
}

function askLines(socketPath: string, lines: readonly string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connect(socketPath);
    const fail = (reason: string) => {
      socket.destroy();
      reject(new Error(`the link emulator does not answer at ${socketPath}: ${reason}`));
    };
    socket.setTimeout(answerTimeoutMs, () => fail(`no answer in ${answerTimeoutMs} ms`));
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.end(lines.map((line) => `${line}\n`).join("")));
    socket.on("data", (text: string) => {
      received += text;
    });
    socket.on("error", (error) => fail(error.message));
    socket.on("end", () => {
      const answers = received.split("\n").slice(0, -1);
      if (answers.length === lines.length) resolve(answers);
      else fail(`${answers.length} answers to ${lines.length} lines`);
    });
  });
}

function microseconds(ms: number | undefined): number {
  return Math.round((ms ?? 0) * 1000);
}

function fraction(percent: number | undefined): number {
  return (percent ?? 0) / 100;
}
