import { existsSync, readFileSync } from "node:fs";

/** Of the package that this file is part of, built or not. */
export function packageVersion(): string {
  for (let url = new URL(".", import.meta.url); url.pathname !== "/"; url = new URL("..", url)) {
    const file = new URL("package.json", url);
    if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")).version;
  }
  return "unknown";
}
