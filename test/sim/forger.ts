import { Rng } from "../../src/core/base/rng.ts";
import { ControlBlock, KIND_DATA_COMPACT, KIND_DATA_FULL } from "../../src/core/wire/control-block.ts";
import { Flow } from "../../src/core/wire/flow.ts";
import { corpus, mutate } from "../fuzz/fuzz.ts";
import type { Internet } from "./internet.ts";
import type { Datagram } from "./node.ts";

const KEPT = 500;

/**
 * Somebody on the lines of an Internet, who sends mutated copies of what passes, and of known packets, in the name of
 * whoever it came from. But for sound data of a session: without keys nothing protects that.
 */
export class Forger {
  datagrams = 0;
  forged = 0;
  isQuiet = false;
  private readonly internet: Internet;
  private readonly rng: Rng;
  private readonly known = corpus();
  private readonly passed: Datagram[] = [];
  private readonly block = new ControlBlock();
  private readonly flow = new Flow();
  private readonly sessions = new Set<number>();

  constructor(internet: Internet, mutatedPerMille: number, forgedPerSecond: number) {
    this.internet = internet;
    this.rng = new Rng(internet.rng.below(2 ** 31));
    internet.onDatagram = (datagram) => {
      this.datagrams++;
      this.note(datagram);
      if (!this.isQuiet && this.rng.below(1000) < mutatedPerMille) this.forge(datagram, [datagram.bytes]);
      return datagram;
    };
    if (forgedPerSecond > 0) this.keepForging(1e6 / forgedPerSecond);
  }

  private keepForging(everyUs: number): void {
    this.internet.clock.after(everyUs, () => {
      if (this.isQuiet) return;
      const datagram = this.passed[this.rng.below(this.passed.length)];
      const port = this.rng.below(4) === 0 ? 1 + this.rng.below(65_535) : undefined;
      if (datagram !== undefined) this.forge(datagram, this.known, port);
      this.keepForging(everyUs);
    });
  }

  private note(datagram: Datagram): void {
    const { bytes } = datagram;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (this.block.read(view, 0, bytes.length) && this.block.kind <= KIND_DATA_FULL)
      this.sessions.add(this.block.session);
    if (this.passed.length < KEPT) this.passed.push(datagram);
    else this.passed[this.rng.below(KEPT)] = datagram;
  }

  private forge({ from, ...rest }: Datagram, seeds: readonly Uint8Array[], port = from.port): void {
    const bytes = mutate(this.rng, seeds);
    if (this.isSoundData(bytes)) return;
    this.forged++;
    this.internet.deliver({ ...rest, bytes, from: { address: from.address, port } });
  }

  private isSoundData(bytes: Uint8Array): boolean {
    const { block, flow } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (!block.read(view, 0, bytes.length)) return false;
    if (block.kind === KIND_DATA_COMPACT) return this.sessions.has(block.session);
    return block.kind === KIND_DATA_FULL && flow.parse(view, 0, block.userBytes);
  }
}
