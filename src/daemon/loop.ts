import { type NetInput, type Router, SLOT_BYTES, SLOTS, TUN_READ_BYTES } from "../core/router/router.ts";
import { nowUs } from "../io/clock.ts";
import type { DatagramSocket, TunPort } from "../io/port.ts";
import { TUN_READ_MAX } from "../io/tun.ts";

const US_PER_MS = 1000;
/** The longest time for which setTimeout can wait. */
const TIMER_MAX_MS = 0x7fff_ffff;

/** Carries packets and time into the router: one batch for each turn of the event loop. */
export class Loop {
  private readonly router: Router;
  private readonly tun: TunPort;
  private sockets: readonly DatagramSocket[] = [];
  private inputs: NetInput[] = [];
  private timer: NodeJS.Timeout | undefined;
  private timerUs = Number.POSITIVE_INFINITY;
  private running = false;
  /** The turn of the event loop in which all sockets were emptied last. */
  private emptiedTurn = -1;

  constructor(router: Router, tun: TunPort) {
    this.router = router;
    this.tun = tun;
  }

  start(): void {
    this.running = true;
    this.tun.start(() => this.readTun());
    this.arm();
  }

  stop(): void {
    this.running = false;
    clearTimeout(this.timer);
    this.timerUs = Number.POSITIVE_INFINITY;
  }

  /** `sockets` in the order of the router's locals; those in `fresh` are heard from now on. */
  setSockets(sockets: readonly DatagramSocket[], fresh: readonly DatagramSocket[]): void {
    this.sockets = sockets;
    this.inputs = sockets.map(({ id, records }, i) => ({
      socket: id,
      slotsAt: this.router.slotsAt(i),
      records,
      count: 0,
    }));
    for (const socket of fresh) socket.start((turn) => this.receive(socket, turn));
  }

  /** After something but a packet has changed the router. */
  arm(): void {
    if (!this.running) return;
    const dueUs = this.router.nextDeadlineUs();
    if (dueUs >= this.timerUs) return;
    clearTimeout(this.timer);
    this.timerUs = dueUs;
    const waitMs = Math.ceil((dueUs - nowUs()) / US_PER_MS);
    this.timer = setTimeout(() => this.tick(), Math.min(Math.max(waitMs, 0), TIMER_MAX_MS));
  }

  private readTun(): void {
    const { tunAt } = this.router;
    const count = this.tun.read(tunAt, tunAt + TUN_READ_BYTES, TUN_READ_MAX);
    if (count > 0) this.router.handleTun(this.tun.records, count, nowUs());
    this.arm();
  }

  /** All sockets together, so that the router can put in order what came in over different paths. */
  private receive(readable: DatagramSocket, turn: number): void {
    if (turn === this.emptiedTurn) return;
    let found = 0;
    let isEmpty = true;
    for (let i = 0; i < this.inputs.length; i++) {
      const input = this.inputs[i]!;
      input.count = this.sockets[i]!.receive(input.slotsAt, SLOT_BYTES, SLOTS);
      found += input.count;
      isEmpty &&= input.count < SLOTS;
    }
    if (found > 0) {
      if (isEmpty) this.emptiedTurn = turn;
      this.router.handleNet(this.inputs, nowUs());
    }
    // Otherwise it is the network's answers that make the socket readable, until they are taken.
    else readable.errors();
    this.arm();
  }

  private tick(): void {
    this.timerUs = Number.POSITIVE_INFINITY;
    this.router.handleTick(nowUs());
    this.arm();
  }
}
