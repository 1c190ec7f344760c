import { rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "rolldown";
import { packageRoot } from "../lab/own-files.ts";

/** Makes the program that users run from what is compiled to dist/src: few files, in which constants are written out. */
const DIRECTORY = join(packageRoot(), "dist", "mpip");

rmSync(DIRECTORY, { recursive: true, force: true });
await build({
  input: join(packageRoot(), "dist", "src", "cli", "main.js"),
  platform: "node",
  // Packages and the native addon stay what they are.
  external: (id) => !/^[./]/.test(id),
  output: {
    dir: DIRECTORY,
    chunkFileNames: "[name].js",
    // Names and lines stay, for those who read what an error says.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: false } },
  },
});
