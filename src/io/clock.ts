import { performance } from "node:perf_hooks";

/**
 * Monotonic time in µs, in whole and parts. It starts at the wall clock's, so that it goes on growing over restarts of
 * the process.
 */
export function nowUs(): number {
  return BASE_US + performance.now() * 1000;
}

const BASE_US = performance.timeOrigin * 1000;
