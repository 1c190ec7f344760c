import { type Logger, pino } from "pino";

/** A logger whose lines can be read: "warn: what was logged". */
export function logLines(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const stream = {
    write(line: string) {
      const { level, msg } = JSON.parse(line);
      lines.push(`${pino.levels.labels[level]}: ${msg}`);
    },
  };
  return { log: pino({ level: "debug" }, stream), lines };
}
