import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import * as errors from "../../../src/io/error.ts";

const { IoError } = errors;

describe("an I/O error", () => {
  it("is one line that says what, why and what to do", () => {
    const error = new IoError("cannot open x", errors.EBUSY, "end the other");
    expect(error.message).toBe("cannot open x: resource busy or locked (EBUSY); end the other");
    expect(error).toMatchObject({ name: "IoError", code: "EBUSY" });
  });

  it("has no code where no system call failed", () => {
    const error = new IoError("x is no name");
    expect(error.message).toBe("x is no name");
    expect(error.code).toBeUndefined();
  });

  it("gives the number of an error that Node has no name for", () => {
    expect(new IoError("cannot x", -512).message).toBe("cannot x: error 512");
  });

  it("knows the numbers of this system", () => {
    const named = Object.entries(errors).filter(([, value]) => typeof value === "number");
    expect(named.length).toBeGreaterThan(0);
    for (const [name, value] of named) {
      expect([name, value]).toEqual([name, -constants.errno[name as keyof typeof constants.errno]]);
    }
  });
});
