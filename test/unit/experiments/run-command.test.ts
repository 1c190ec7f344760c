import { expect, it } from "vitest";
import { runCommand } from "../../../tools/experiments/run-command.ts";

it.each([
  ["fig5", { cc: ["bbr"] }, "--cc"],
  ["fig8", { only: ["single"] }, "--only"],
  ["simult-flows", { seconds: 3 }, "--seconds"],
  ["wireless", { reverse: true }, "--reverse"],
  ["failover", { flows: 3 }, "--flows"],
] as const)("%s says that it has no use for %j", async (name, given, option) => {
  const nothing = {
    profile: [],
    only: [],
    "config-patch": [],
    set: [],
    variant: [],
    build: [],
    out: "unused",
  };
  const run = runCommand.handler({ name, ...nothing, ...given } as never);
  await expect(run).rejects.toThrow(`${name} has no use for ${option}; leave it out`);
});

it.each([
  ["repeats", 0],
  ["seconds", -1],
  ["flows", Number.NaN],
] as const)("does nothing with --%s %d", async (option, value) => {
  const run = runCommand.handler({ name: "matrix", only: [], [option]: value } as never);
  await expect(run).rejects.toThrow(`--${option} is not a number above 0`);
});
