/** Values as people read them; what is not known is a dash. */

export const UNKNOWN = "-";

/** Columns as wide as they must be, with two spaces between; `right` names those of numbers. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[],
): string {
  const lines = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => (right.includes(head[i]!) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

/** Names and values, one pair in a line. */
export function list(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}

export function milliseconds(us: number | undefined): string {
  if (us === undefined) return UNKNOWN;
  const ms = us / 1000;
  return `${ms.toFixed(Math.abs(ms) < 10 ? 2 : 1)} ms`;
}

export function percent(share: number | undefined): string {
  if (share === undefined) return UNKNOWN;
  const value = share * 100;
  return `${value === 0 || value >= 10 ? value.toFixed(0) : value.toFixed(1)} %`;
}

export function bitRate(bytesPerS: number): string {
  return scaled(bytesPerS * 8, "bit/s");
}

export function byteCount(bytes: number): string {
  return scaled(bytes, "B");
}

export function duration(ms: number | undefined): string {
  if (ms === undefined) return UNKNOWN;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** An address with a port behind it. */
export function endpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function scaled(value: number, unit: string): string {
  const prefixes = ["", "k", "M", "G", "T"];
  let step = 0;
  let rest = value;
  while (rest >= 999.5 && step < prefixes.length - 1) {
    rest /= 1000;
    step++;
  }
  return `${step === 0 || rest >= 100 ? rest.toFixed(0) : rest.toPrecision(3)} ${prefixes[step]}${unit}`;
}
