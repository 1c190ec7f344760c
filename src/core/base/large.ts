/**
 * Zero, for a field of an object that will be larger than 2^31. V8 lays an object out by the kinds of numbers that its
 * fields have had. Were the first one a small integer, the layout would change in the middle of a transfer, and all code
 * that knows the object would have to be compiled again.
 */
export const LARGE_ZERO = -0;
