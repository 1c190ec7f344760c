/** `warn`: it works, but not as well as it could, or not for everybody. */
export type Level = "ok" | "warn" | "bad";

/** What was looked at. */
export const CHECKS = [
  "rights",
  "config",
  "daemon",
  "kernel",
  "clock",
  "interfaces",
  "routes",
  "rp_filter",
  "mtu",
  "firewall",
  "reach",
] as const;

/** What one look has shown, in one line. */
export interface Finding {
  readonly check: (typeof CHECKS)[number];
  readonly level: Level;
  readonly text: string;
  /** What to do about it. */
  readonly advice?: string;
}

export function ok(check: Finding["check"], text: string): Finding {
  return { check, level: "ok", text };
}

export function warn(check: Finding["check"], text: string, advice: string): Finding {
  return { check, level: "warn", text, advice };
}

export function bad(check: Finding["check"], text: string, advice: string): Finding {
  return { check, level: "bad", text, advice };
}
