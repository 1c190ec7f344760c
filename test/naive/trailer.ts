import { toHex } from "../vectors/load.ts";

/** The end of a datagram as people write it. Numbers are unsigned, but for the delay. */
export interface PlainBlock {
  node: string;
  session: string;
  address: string | null;
  flags: number;
  path: number;
  feedbackPath: number;
  timestampUs: number;
  delayUs: number;
  /** 0 where the flags have no 0x10. */
  sequence: number;
}

/** The trailer as one long number, digit by digit. */
export function encodeTrailer(block: PlainBlock): Uint8Array {
  const address =
    block.address === null
      ? "00000000"
      : block.address
          .split(".")
          .map((part) => digits(part, 2))
          .join("");
  const hex = [
    block.flags & 0x10 ? digits(block.sequence, 8) : "",
    block.node.replaceAll(":", ""),
    block.session,
    address,
    digits(block.flags, 2),
    digits(block.path, 2),
    digits(block.feedbackPath, 2),
    digits(block.timestampUs, 8),
    digits(BigInt.asUintN(32, BigInt(block.delayUs)), 8),
  ].join("");
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

export function decodeTrailer(datagram: Uint8Array): { block: PlainBlock; userBytes: number } | null {
  if (datagram.length < 25) return null;
  const bytes = datagram.slice(-25);
  const hex = (from: number, to: number) => toHex(bytes.slice(from, to));
  const number = (from: number, to: number) => Number.parseInt(hex(from, to), 16);
  const flags = number(14, 15);
  const hasSequence = Math.floor(flags / 16) % 2 === 1;
  const userBytes = datagram.length - (hasSequence ? 29 : 25);
  if (userBytes < 0) return null;
  const address = [...bytes.slice(10, 14)].join(".");
  const block = {
    node: hex(0, 6).match(/../g)!.join(":"),
    session: hex(6, 10),
    address: address === "0.0.0.0" ? null : address,
    flags,
    path: number(15, 16),
    feedbackPath: number(16, 17),
    timestampUs: number(17, 21),
    delayUs: Number(BigInt.asIntN(32, BigInt(number(21, 25)))),
    sequence: hasSequence ? Number.parseInt(toHex(datagram.slice(-29, -25)), 16) : 0,
  };
  return { block, userBytes };
}

function digits(value: number | bigint | string, count: number): string {
  return BigInt(value).toString(16).padStart(count, "0");
}
