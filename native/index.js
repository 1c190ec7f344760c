// Loads the addon: a prebuilt one for this platform, or the one that `npm install` compiled.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const load = createRequire(import.meta.url)("node-gyp-build");

export const native = load(fileURLToPath(new URL(".", import.meta.url)));
