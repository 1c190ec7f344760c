import { rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "rolldown";
import { packageRoot } from "../../src/cli/package.ts";

// Makes the program that users run from what is compiled to dist/src: few files, in which constants are written out.
const built = join(packageRoot(), "dist");
const program = join(built, "mpip");

rmSync(program, { recursive: true, force: true });
await build({
  input: join(built, "src", "cli", "main.js"),
  platform: "node",
  // Packages and the native addon stay what they are.
  external: (id) => !/^[./]/.test(id),
  output: {
    dir: program,
    chunkFileNames: "[name].js",
    // Names stay, for those who read what an error says.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: false } },
  },
});
