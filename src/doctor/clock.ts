import { type Finding, ok, warn } from "./finding.ts";

/** A clock that needs an access to a device for each reading, where the others are read like memory. */
const SLOW_SOURCES = ["acpi_pm", "hpet", "jiffies", "pit"];
const JUMP_MIN_MS = 100;
/** This program is younger. */
const EARLIEST_MS = Date.UTC(2025, 0);

/** The two clocks at one moment: that of the wall, and one that never jumps. */
export interface ClockReading {
  readonly wallMs: number;
  readonly steadyMs: number;
}

/** `source` is what the kernel calls its clock; undefined where it does not say. */
export function clockFindings(start: ClockReading, end: ClockReading, source: string | undefined): Finding[] {
  const findings: Finding[] = [];
  const jumpMs = end.wallMs - start.wallMs - (end.steadyMs - start.steadyMs);
  if (Math.abs(jumpMs) > JUMP_MIN_MS) {
    findings.push(
      warn(
        "clock",
        `the clock jumped by ${(jumpMs / 1000).toFixed(1)} s while this ran; paths do not mind, but the days of quotas do`,
        "find out what sets it in steps: chronyc tracking, timedatectl, or the tools of the virtual machine",
      ),
    );
  }
  if (end.wallMs < EARLIEST_MS) {
    const date = new Date(end.wallMs).toISOString().slice(0, 10);
    findings.push(
      warn("clock", `the clock says that it is ${date}; quotas go by it`, "set it, or start a time service"),
    );
  }
  if (source !== undefined && SLOW_SOURCES.includes(source)) {
    findings.push(
      warn(
        "clock",
        `the kernel reads the time from ${source}, which is slow`,
        "boot with clocksource=tsc, or give the virtual machine kvm-clock",
      ),
    );
  }
  return findings.length > 0 ? findings : [ok("clock", "runs evenly; it need not be that of the peers")];
}
