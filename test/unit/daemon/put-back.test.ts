import { pino } from "pino";
import { expect, it } from "vitest";
import { PutBack } from "../../../src/daemon/put-back.ts";

const MINUTE_MS = 60_000;

it("what somebody removes is put back five times within an hour, and then left", () => {
  const lines: string[] = [];
  const log = pino({}, { write: (line) => lines.push(JSON.parse(line).msg) });
  const putBack = new PutBack("mpip0", log);
  const missing = ["route 10.9.0.0/16 dev mpip0"];
  expect(putBack.isDue([], 0)).toBe(false);
  const dues = [0, 1, 2, 3, 4, 5, 6, 59].map((minute) => putBack.isDue(missing, minute * MINUTE_MS));
  expect(dues).toEqual([true, true, true, true, true, false, false, false]);
  expect(lines).toHaveLength(6);
  expect(lines[0]).toBe(
    "mpip0: somebody has removed or changed route 10.9.0.0/16 dev mpip0; putting it back",
  );
  expect(lines[5]).toMatch(/; leaving it, since something was put back 5 times within an hour: /);
  expect(putBack.isDue(missing, 60 * MINUTE_MS)).toBe(true);
  expect(putBack.isDue(missing, 60.5 * MINUTE_MS)).toBe(false);
  expect(lines).toHaveLength(8);
});
