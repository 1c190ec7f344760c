/**
 * Does something `count` times, in a loop of its own so that it can be inlined; answers a number that depends on all of
 * it, so that none is optimised away.
 */
export type Variant = (count: number) => number;

const COUNT = 2_000_000;
const ROUNDS = 9;
/** Runs before the first measurement, enough for the optimising compiler. */
const WARM_UP = 3;

/**
 * Prints how long each variant takes, alternating between them: the fastest round and the median one, and the bytes of
 * heap that one time takes.
 */
export function compare(title: string, variants: Readonly<Record<string, Variant>>, count = COUNT): void {
  const names = Object.keys(variants);
  const timesNs = new Map(names.map((name) => [name, [] as number[]]));
  const heapBytes = new Map(names.map((name) => [name, Number.POSITIVE_INFINITY]));
  let sink = 0;
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const name of names) {
      const variant = variants[name]!;
      const heap = process.memoryUsage().heapUsed;
      const started = performance.now();
      sink += variant(count);
      const tookNs = ((performance.now() - started) * 1e6) / count;
      const grownBytes = (process.memoryUsage().heapUsed - heap) / count;
      if (round < 0) continue;
      timesNs.get(name)!.push(tookNs);
      // The smallest of many, and a collection in between makes it negative: what is left is what each time takes.
      if (grownBytes >= 0) heapBytes.set(name, Math.min(heapBytes.get(name)!, grownBytes));
    }
  }
  console.log(`${title} (${sink === 0 ? "nothing done" : `${ROUNDS} rounds of ${count}`})`);
  const width = Math.max(...names.map((name) => name.length));
  for (const name of names) {
    const sorted = timesNs.get(name)!.sort((a, b) => a - b);
    const [best, median] = [sorted[0]!, sorted[sorted.length >> 1]!].map((ns) => ns.toFixed(1).padStart(7));
    const heap = heapBytes.get(name)!;
    const bytes = Number.isFinite(heap) ? heap.toFixed(1) : "many";
    console.log(`  ${name.padEnd(width)} ${best} ns, median ${median} ns, ${bytes} B`);
  }
}
