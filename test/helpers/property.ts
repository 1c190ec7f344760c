import fc from "fast-check";

/** How many times the usual number of runs each property gets; a long search sets it by hand. */
const LONGER = Number(process.env.MPIP_PROPERTY_RUNS ?? 1);

/** Checks a property; what fails is shrunk for some seconds at most, and its seed is in the message. */
export function check<T>(property: fc.IProperty<T>, runs = 200): void {
  fc.assert(property, {
    numRuns: Math.ceil(runs * LONGER),
    interruptAfterTimeLimit: 4000 * Math.max(1, LONGER),
    // An interrupted search has found nothing so far, which on a slow machine is no failure.
    markInterruptAsFailure: false,
  });
}
