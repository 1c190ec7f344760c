import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { RECORD_LENGTH, RECORD_WORDS } from "../core/batch/layout.ts";
import { Plan } from "../core/batch/plan.ts";
import { BodyReader } from "../core/wire/body-reader.ts";
import { BodyWriter } from "../core/wire/body-writer.ts";
import { ControlBlock, KIND_CONFIRM, KIND_QUERY, writeTrailer } from "../core/wire/control-block.ts";
import { FIELD_NONCE, VERSION_NONE } from "../core/wire/control-body.ts";
import { IPV4_MIN_BYTES } from "../core/wire/ipv4.ts";
import { IPV6_BYTES } from "../core/wire/ipv6.ts";
import { UDP_BYTES } from "../core/wire/udp.ts";
import type { HostAddress } from "../daemon/interfaces.ts";
import { SOCKET_MARK } from "../host/state.ts";
import { formatAddress, parseAddress } from "../io/address.ts";
import { nowUs } from "../io/clock.ts";
import { IoError } from "../io/error.ts";
import { openArena } from "../io/native.ts";
import type { DatagramSocket } from "../io/port.ts";
import { openUdpPort } from "../io/udp.ts";
import { bad, type Finding, ok, warn } from "./finding.ts";
import { gravityOf, type Leg, legsOf, type Target } from "./lines.ts";

/** A question that is not answered is asked again, so often in all, … */
const TRIES = 4;
/** … after so long. */
const TRY_MS = 300;
/** IP packets of these sizes are tried besides the largest that the interface takes. */
const SIZES_BYTES = [1492, 1472, 1440, 1420, 1400, 1360, 1320, 1280, 1200];
/** Larger ones are not to be expected anywhere. */
const SIZE_MAX_BYTES = 1500;
/** Of the smallest question. */
const SMALL_BYTES = 0;
const SLOT_BYTES = 2048;
const SLOTS = 64;

interface Question extends Leg {
  /** Of the IP packet; SMALL_BYTES: as it is. */
  readonly bytes: number;
  readonly nonceHigh: number;
  readonly nonceLow: number;
  askedUs: number;
  rttUs: number | undefined;
}

/** Asks every peer over every line whether it is there, with packets of several sizes. */
export async function reachFindings(
  lines: readonly HostAddress[],
  targets: readonly Target[],
  works: (device: string, address: string) => boolean,
  hasRoute: (leg: Leg) => boolean,
): Promise<Finding[]> {
  const arena = openArena(SLOT_BYTES * (SLOTS + 1));
  const udp = openUdpPort(arena, pino({ level: "silent" }), { offloads: { gso: false, gro: false } });
  const questions: Question[] = [];
  const sockets = new Map<HostAddress, DatagramSocket>();
  const findings: Finding[] = [];
  try {
    for (const line of lines) {
      try {
        const { address, device } = line;
        sockets.set(line, udp.open({ address, device, port: 0, mark: SOCKET_MARK }));
      } catch (error) {
        if (!(error instanceof IoError)) throw error;
        const [text = "", advice = ""] = error.message.split("; ");
        findings.push(bad("reach", `${line.device}: ${text}`, advice || "see dmesg"));
      }
    }
    questions.push(...legsOf([...sockets.keys()], targets).flatMap(questionsOf));
    for (const socket of sockets.values()) socket.start(() => receive(socket, arena, questions));
    for (let tries = 0; tries < TRIES && questions.some(isOpen); tries++) {
      for (const question of questions.filter(isOpen)) {
        const plan = queryPlan(arena, question, sockets.get(question.line)!);
        udp.send(plan);
      }
      await sleep(TRY_MS);
    }
  } finally {
    udp.close();
  }
  const legs = legsOf([...sockets.keys()], targets).map((leg) => ({
    ...leg,
    own: questions.filter(({ line, target }) => line === leg.line && target === leg.target),
  }));
  const leading = legs.filter(
    ({ line, target, own }) => !own.every(isOpen) || works(line.device, target.address),
  );
  for (const leg of legs) {
    if (!leading.includes(leg)) findings.push(...silentFinding(leg, leading, hasRoute(leg)));
    else if (leg.own.every(isOpen))
      findings.push(ok("reach", `${whereText(leg)} is in touch with the daemon`));
    else findings.push(answerFinding(leg, leg.own));
  }
  return findings;
}

function questionsOf({ line, target }: Leg): Question[] {
  const most = line.mtu;
  const sizes = [SMALL_BYTES, ...SIZES_BYTES.filter((bytes) => bytes < most), Math.min(most, SIZE_MAX_BYTES)];
  return sizes.map((bytes) => ({
    line,
    target,
    bytes,
    nonceHigh: randomBytes(4).readInt32LE(),
    nonceLow: randomBytes(4).readInt32LE(),
    askedUs: 0,
    rttUs: undefined,
  }));
}

const isOpen = ({ rttUs }: Question) => rttUs === undefined;

/** A query that no node takes for that of a peer: each answers that it does not speak that version. */
function queryPlan(arena: Uint8Array, question: Question, socket: DatagramSocket): Plan {
  const { line, target, bytes, nonceHigh, nonceLow } = question;
  const view = new DataView(arena.buffer, arena.byteOffset, SLOT_BYTES);
  const body = new BodyWriter();
  body.begin(view, 0, SLOT_BYTES);
  body.version(VERSION_NONE);
  body.nonce(nonceHigh, nonceLow);
  body.instance(nonceHigh, nonceLow);
  body.addresses(new Int32Array(0), [], 0);
  const block = new ControlBlock();
  block.nodeHigh = NODE_HIGH;
  block.nodeLow = nonceLow;
  block.flags = KIND_QUERY;
  const headers = (line.family === 4 ? IPV4_MIN_BYTES : IPV6_BYTES) + UDP_BYTES;
  const trailerBytes = writeTrailer(view, body.bytes, block);
  body.padTo(bytes - headers - trailerBytes);
  writeTrailer(view, body.bytes, block);
  const plan = new Plan(32);
  plan.begin();
  plan.route(socket.id, parseAddress(target.address), 0, target.port, 0, 0);
  plan.piece(0, body.bytes + trailerBytes);
  question.askedUs = nowUs();
  return plan;
}

/** The first bits of a made-up node ID: locally administered. */
const NODE_HIGH = 0x0600;

function receive(socket: DatagramSocket, arena: Uint8Array, questions: readonly Question[]): void {
  const view = new DataView(arena.buffer, arena.byteOffset, arena.byteLength);
  const count = socket.receive(SLOT_BYTES, SLOT_BYTES, SLOTS);
  if (count === 0) socket.errors();
  const block = new ControlBlock();
  const reader = new BodyReader();
  for (let i = 0; i < count; i++) {
    const at = SLOT_BYTES * (i + 1);
    const bytes = socket.records[i * RECORD_WORDS + RECORD_LENGTH]!;
    if (bytes <= 0 || !block.read(view, at, bytes) || block.kind !== KIND_CONFIRM) continue;
    if (!reader.begin(view, at, block.userBytes)) continue;
    while (reader.next()) {
      if (reader.type !== FIELD_NONCE) continue;
      const question = questions.find(
        ({ nonceHigh, nonceLow }) => nonceHigh === reader.high() && nonceLow === reader.low(),
      );
      if (question !== undefined) question.rttUs ??= nowUs() - question.askedUs;
    }
  }
}

/** That there is no route has been said, as far as it matters. */
function silentFinding(leg: Leg, leading: readonly Leg[], hasRoute: boolean): Finding[] {
  const isBad = gravityOf(leg, leading) === "bad";
  if (!isBad && !hasRoute) return [];
  const text = `${whereText(leg)} does not answer`;
  const from = formatAddress(leg.line.address);
  const advice = `is mpip running there, and does every firewall and NAT on the way let UDP port ${leg.target.port} through? (from ${from})`;
  return [(isBad ? bad : warn)("reach", text, advice)];
}

function answerFinding(leg: Leg, questions: readonly Question[]): Finding {
  const answered = questions.filter((question) => !isOpen(question));
  const rttMs = Math.min(...answered.map(({ rttUs }) => rttUs!)) / 1000;
  const largest = Math.max(...answered.map(({ bytes }) => bytes));
  const wanted = Math.max(...questions.map(({ bytes }) => bytes));
  const text = `${whereText(leg)} answers in ${rttMs.toFixed(1)} ms`;
  if (largest === wanted) return ok("reach", `${text}, to packets of up to ${largest} bytes`);
  return warn(
    "reach",
    `${text}, but to none of ${smallestLost(questions, largest)} bytes or more`,
    `set the MTU of ${leg.line.device} to ${Math.max(largest, SIZES_BYTES.at(-1)!)}, or let ICMP "too big" through`,
  );
}

function whereText({ line, target: { peer, address, port } }: Leg): string {
  return `${line.device}: ${peer} at ${address} port ${port}`;
}

function smallestLost(questions: readonly Question[], largest: number): number {
  return Math.min(...questions.filter((one) => isOpen(one) && one.bytes > largest).map(({ bytes }) => bytes));
}
