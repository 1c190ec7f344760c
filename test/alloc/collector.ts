import { PerformanceObserver, performance } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { getHeapStatistics } from "node:v8";

export interface Collected {
  /** How often the collector ran meanwhile. */
  collections: number;
  /** What is on the heap afterwards that was not before. */
  grownBytes: number;
}

/** What the collector does while something works; Node must run with --expose-gc. */
export async function watchCollector(work: () => void): Promise<Collected> {
  const collections: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) collections.push(entry.startTime);
  });
  observer.observe({ entryTypes: ["gc"] });
  await nextTurn();
  globalThis.gc!();
  const before = getHeapStatistics().used_heap_size;
  const fromMs = performance.now();
  work();
  const toMs = performance.now();
  await nextTurn();
  await nextTurn();
  globalThis.gc!();
  const grownBytes = getHeapStatistics().used_heap_size - before;
  observer.disconnect();
  return { collections: collections.filter((ms) => ms >= fromMs && ms <= toMs).length, grownBytes };
}
