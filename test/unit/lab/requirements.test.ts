import { describe, expect, it } from "vitest";
import { kernelRequirement, RequirementError, requireTools } from "../../../tools/lab/requirements.ts";

describe("what a machine lacks", () => {
  it.each([
    ["ip link add ...: exited with 1: Error: Unknown device type.", "the kernel has no veth devices"],
    [
      "mount --make-shared /run/netns failed: Operation not permitted",
      "network namespaces are not permitted here",
    ],
    [
      "/dev/stdin:4:1-9: Error: Could not process rule: Operation not supported",
      "the kernel lacks a part of nftables",
    ],
    [
      "cannot stat /proc/sys/net/ipv6/conf/all/forwarding: No such file or directory",
      "the kernel has no IPv6",
    ],
  ])("is told of the failure %j", (message, advice) => {
    const requirement = kernelRequirement(new Error(message));
    expect(requirement).toBeInstanceOf(RequirementError);
    expect((requirement as Error).message).toContain(advice);
    expect((requirement as Error).message).toContain(message);
  });

  it("is not made up for other failures", () => {
    const error = new Error("cannot stat /proc/sys/net/ipv6/nonsense: No such file or directory");
    expect(kernelRequirement(error)).toBe(error);
  });

  it("is told with the package of a tool", () => {
    expect(() => requireTools("sh")).not.toThrow();
    expect(() => requireTools("sh", "no-such-tool")).toThrow(
      new RequirementError("no-such-tool is not installed: install the package no-such-tool"),
    );
  });
});
