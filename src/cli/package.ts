import { existsSync, readFileSync } from "node:fs";

/** The directory of the package that this file is part of, whatever it was compiled to. */
function packageRoot(): URL {
  let url = new URL(".", import.meta.url);
  while (!existsSync(new URL("package.json", url)) && url.pathname !== "/") url = new URL("..", url);
  return url;
}

export function packageVersion(): string {
  const file = packageFile("package.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).version : "unknown";
}

export function packageFile(path: string): URL {
  return new URL(path, packageRoot());
}
