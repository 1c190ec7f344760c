import { type DestinationStream, type Logger, pino } from "pino";

/** The same line comes at most so often … */
const REPEATS_MAX = 5;
/** … in this time. */
const REPEATS_MS = 60_000;
/** Different lines that are remembered. */
const LINES_MAX = 256;

/** Text for people on a terminal, JSON for everything else. */
export function openLog(level: string): Logger {
  const destination = process.stderr.isTTY
    ? textStream(process.stderr)
    : pino.destination({ dest: 2, sync: true });
  return limitedLog(level, destination, Date.now);
}

/** A log in which no line is repeated all the time: what was left out is said when the line comes next. */
export function limitedLog(level: string, destination: DestinationStream, nowMs: () => number): Logger {
  const lines = new Map<string, { sinceMs: number; count: number }>();
  return pino(
    {
      level,
      base: null,
      hooks: {
        logMethod(args, method) {
          const key = args.map(String).join(" ");
          const line = lines.get(key);
          const now = nowMs();
          if (line !== undefined && now - line.sinceMs < REPEATS_MS) {
            line.count++;
            if (line.count <= REPEATS_MAX) method.apply(this, args);
            return;
          }
          lines.delete(key);
          lines.set(key, { sinceMs: now, count: 1 });
          if (lines.size > LINES_MAX) lines.delete(lines.keys().next().value!);
          const left = (line?.count ?? 0) - REPEATS_MAX;
          const last = args.length - 1;
          if (left > 0) args[last] = `${args[last]} (and ${left} times more since)`;
          method.apply(this, args);
        },
      },
    },
    destination,
  );
}

function textStream(stream: NodeJS.WriteStream): DestinationStream {
  return { write: (line) => stream.write(textLine(line)) };
}

/** One line of the log as people read it. */
export function textLine(line: string): string {
  const { time, level, msg } = JSON.parse(line) as { time: number; level: number; msg: string };
  const label = pino.levels.labels[level] ?? "";
  const clock = new Date(time).toTimeString().slice(0, 8);
  return `${clock} ${label === "info" ? "" : `${label}: `}${msg}\n`;
}
