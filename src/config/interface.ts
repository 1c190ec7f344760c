import { z } from "zod";
import { leaf } from "./schema-parts.ts";
import {
  parseBytes,
  parseChoice,
  parseInterfaceSelector,
  parseNumber,
  parseWhole,
  shown,
  Wrong,
} from "./values.ts";

/** How much a line may carry, each way. */
export interface LineRate {
  readonly sendBytesPerS: number;
  readonly receiveBytesPerS: number;
}

export const UNLIMITED: LineRate = {
  sendBytesPerS: Number.POSITIVE_INFINITY,
  receiveBytesPerS: Number.POSITIVE_INFINITY,
};

const RATE_MIN_MBIT = 0.01;
const RATE_MAX_MBIT = 30_000;
const BYTES_PER_MBIT = 125_000;

const quotaSchema = z.strictObject({
  bytes: leaf(parseBytes),
  every: leaf((value) => parseChoice(value, ["month", "day"] as const)).default("month"),
  resetDay: leaf((value) => parseWhole(value, 1, 31, "day of the month")).default(1),
  usedUp: leaf((value) => parseChoice(value, ["backup", "off"] as const)).default("backup"),
});

const interfaceKeys = z.strictObject({
  name: leaf(parseInterfaceSelector),
  policy: leaf((value) => parseChoice(value, ["normal", "backup", "metered"] as const)).default("normal"),
  rateMbit: leaf(parseRate).default(UNLIMITED),
  quota: quotaSchema.optional(),
});

/** A line, or several by a pattern: its name alone, or with what is to be done with it. */
export const interfaceSchema = z.preprocess(
  (value) => (typeof value === "object" ? value : { name: value }),
  interfaceKeys,
);

export type InterfaceConfig = z.output<typeof interfaceKeys>;
export type QuotaConfig = z.output<typeof quotaSchema>;

/** One number for both ways, or one for each. */
function parseRate(value: unknown): LineRate {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const bytesPerS = parseMbit(value);
    return { sendBytesPerS: bytesPerS, receiveBytesPerS: bytesPerS };
  }
  const { send, receive, ...others } = value as Record<string, unknown>;
  if (Object.keys(others).length > 0 || (send === undefined && receive === undefined)) {
    throw new Wrong(`${shown(value)} is no rate; write a number, or { send: 5, receive: 20 }`);
  }
  return {
    sendBytesPerS: send === undefined ? UNLIMITED.sendBytesPerS : parseMbit(send),
    receiveBytesPerS: receive === undefined ? UNLIMITED.receiveBytesPerS : parseMbit(receive),
  };
}

function parseMbit(value: unknown): number {
  return parseNumber(value, RATE_MIN_MBIT, RATE_MAX_MBIT) * BYTES_PER_MBIT;
}
