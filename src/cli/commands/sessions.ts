import type { Argv, CommandModule } from "yargs";
import type { SessionsView } from "../../control/views.ts";
import { PROTOCOL_NUMBERS } from "../../core/dispatch/rule-spec.ts";
import { SESSIONS_DEFAULT, SESSIONS_MAX } from "../../daemon/methods.ts";
import { ask } from "../connect.ts";
import { CliError, EXIT_USAGE } from "../error.ts";
import { byteCount, duration, endpoint, table, UNKNOWN } from "../format.ts";
import { ofReport, type ReportArguments } from "../options.ts";
import { print } from "../print.ts";

interface SessionsArguments extends ReportArguments {
  limit: number;
  peer: string | undefined;
}

export const sessions: CommandModule<object, SessionsArguments> = {
  command: "sessions",
  describe: "what is carried at the moment",
  builder: (command: Argv<object>) =>
    ofReport(command)
      .option("limit", {
        type: "number",
        requiresArg: true,
        default: SESSIONS_DEFAULT,
        describe: "list so many at most",
      })
      .option("peer", { type: "string", requiresArg: true, describe: "of one peer only" }),
  handler: async (args) => {
    const { limit, peer } = args;
    if (!Number.isInteger(limit) || limit < 0 || limit > SESSIONS_MAX) {
      throw new CliError(`--limit takes a whole number from 0 to ${SESSIONS_MAX}`, EXIT_USAGE);
    }
    const view = await ask<SessionsView>(args, "sessions", {
      limit,
      ...(peer === undefined ? {} : { peer }),
    });
    print(view, args.json, sessionsText);
  },
};

export function sessionsText({ total, sessions: views }: SessionsView): string {
  if (total === 0) return "there are no sessions\n";
  const rows = views.map((session) => [
    session.peer,
    protocolName(session.protocol),
    end(session.source, session.sourcePort),
    end(session.destination, session.destinationPort),
    session.state,
    byteCount(session.sentBytes),
    byteCount(session.receivedBytes),
    duration(session.idleMs),
    session.rule ?? UNKNOWN,
  ]);
  const text = table(
    ["PEER", "PROTOCOL", "SOURCE", "DESTINATION", "STATE", "SENT", "RECEIVED", "IDLE", "RULE"],
    rows,
    ["SENT", "RECEIVED", "IDLE"],
  );
  const left = total - views.length;
  return left > 0 ? `${text}and ${left} more (--limit)\n` : text;
}

function end(address: string, port: number): string {
  return port === 0 ? address : endpoint(address, port);
}

function protocolName(protocol: number): string {
  return Object.entries(PROTOCOL_NUMBERS).find(([, number]) => number === protocol)?.[0] ?? String(protocol);
}
