import { defineConfig } from "vitest/config";
import { ClosingLine } from "./closing-line.ts";

// Two projects: `unit` needs nothing but Node; `system` needs root, the built code and the real kernel, and runs
// one file at a time because its files measure and share one machine.
export default defineConfig({
  test: {
    reporters: ["default", new ClosingLine()],
    projects: [
      {
        test: {
          name: "unit",
          // Long for a test that takes half a second: the machines are shared.
          testTimeout: 30_000,
          include: ["test/{unit,arch,property,vectors}/**/*.test.ts"],
        },
      },
      {
        test: {
          name: "system",
          include: ["test/{native,netns,alloc,lab}/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
