import { expect, it } from "vitest";
import { runActions } from "../../../src/host/run.ts";

const write = (key: string) => runActions([{ kind: "sysctl", key, value: "0" }]);

it("says that the kernel has no such setting, but not of a device that has gone", async () => {
  expect(await write("net/ipv4/conf/gone0/rp_filter")).toEqual([]);
  expect(await write("net/ipv4/conf/all/no_such_setting")).toMatchObject([
    { reason: expect.stringMatching(/^sysctl net\.ipv4\.conf\.all\.no_such_setting: ENOENT/) },
  ]);
});
