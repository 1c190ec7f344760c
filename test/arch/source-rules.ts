import { dirname, join, normalize } from "node:path";

/**
 * The order of the folders of src/core: each imports itself and those in front of it. The core is pure: bytes and time
 * come in, actions go out.
 */
export const CORE_ORDER = ["base", "batch", "wire", "tables", "dispatch", "reorder", "deliver", "router"];

/** What a program or another package starts at. */
export const ENTRY_POINTS = ["src/cli/main.ts"];

/** Words by which a file of the core would reach beyond what it was handed. */
const IMPURE = [
  "Date",
  "performance",
  "process",
  "console",
  "globalThis",
  "Buffer",
  "crypto",
  "fetch",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "require",
];

const LINES_MAX = 600;

/** Path below the checkout to text. */
export type Sources = ReadonlyMap<string, string>;

/** Everything that is wrong with the sources, a line each: "path: what". */
export function violations(sources: Sources): string[] {
  return [
    ...eachFile(sources, importsOf, brokenImport),
    ...eachFile(sources, importsOf, wrongDirection),
    ...eachFile(sources, coreText, impureWord),
    ...[...sources].filter(isTooLong).map(([path]) => `${path}: has more than ${LINES_MAX} lines`),
  ];
}

function eachFile<Item>(
  sources: Sources,
  items: (path: string, text: string) => Item[],
  problem: (path: string, item: Item, sources: Sources) => string | undefined,
): string[] {
  return [...sources].flatMap(([path, text]) =>
    items(path, text).flatMap((item) => {
      const found = problem(path, item, sources);
      return found === undefined ? [] : [`${path}: ${found}`];
    }),
  );
}

const isTooLong = ([path, text]: [string, string]) =>
  path.startsWith("src/") && text.trimEnd().split("\n").length > LINES_MAX;

/** What a file imports: modules as they are written, files of ours as paths below the checkout. */
export function importsOf(path: string, text: string): string[] {
  // An import begins in front of its string; what stands inside of comments and other strings is passed over.
  const tokens = new RegExp(`\\b(?:from|import)\\s*\\(?\\s*"([^"\\n]+)"|${COMMENT_OR_STRING.source}`, "g");
  const found = [...text.matchAll(tokens)].flatMap((match) => match[1] ?? []);
  return found.map((name) => (name.startsWith(".") ? normalize(join(dirname(path), name)) : name));
}

const COMMENT_OR_STRING =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;

function brokenImport(_: string, imported: string, sources: Sources): string | undefined {
  const ours = /^(src|tools|test)\//.test(imported);
  return ours && !sources.has(imported) ? `imports ${imported}, which does not exist` : undefined;
}

function wrongDirection(path: string, imported: string): string | undefined {
  const no = `must not import ${imported}`;
  const from = path.split("/");
  const to = imported.split("/");
  if (from[0] === "test") return undefined;
  if (imported === "#native") return path === "src/io/native.ts" ? undefined : no;
  if (from[0] === "src" && (to[0] === "tools" || to[0] === "test")) return no;
  if (from[0] !== "src" || from[1] === "daemon" || from[1] === "cli") return undefined;
  if (from[1] === "io" && to[0] === "src" && to[1] !== "io" && to[1] !== "core") return no;
  if (from[1] !== "core") return undefined;
  if (to[0] !== "src" || to[1] !== "core") return no;
  const [mine, other] = [from, to].map((parts) => CORE_ORDER.indexOf(parts[2]!)) as [number, number];
  if (mine < 0) return `is in a folder that has no place in the order of the core (${from[2]})`;
  return other < 0 || other > mine ? no : undefined;
}

/** The text of a file of the core without comments and strings; nothing of other files. */
function coreText(path: string, text: string): string[] {
  if (!path.startsWith("src/core/")) return [];
  // What stands in a template's placeholders stays: it is code.
  return [
    text.replace(COMMENT_OR_STRING, (match) =>
      match.startsWith("`")
        ? [...match.matchAll(/\$\{([^}]*)\}/g)].map(([, code]) => ` ${code} `).join("")
        : " ",
    ),
  ];
}

function impureWord(_: string, code: string): string | undefined {
  const word = new RegExp(`(?<![.\\w$])(?:${IMPURE.join("|")})(?![\\w$]|\\s*:)`).exec(code);
  const random = /\bMath\s*\.\s*random\b/.exec(code);
  const found = word?.[0] ?? random?.[0];
  return found === undefined ? undefined : `uses ${found}`;
}

/** Files of src that neither a tool nor an entry point leads to. */
export function deadFiles(sources: Sources): string[] {
  const paths = [...sources.keys()];
  const pending = paths.filter((path) => path.startsWith("tools/") || ENTRY_POINTS.includes(path));
  const reached = new Set(pending);
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const imported of importsOf(path, sources.get(path)!)) {
      if (!sources.has(imported) || reached.has(imported)) continue;
      reached.add(imported);
      pending.push(imported);
    }
  }
  return paths.filter((path) => path.startsWith("src/") && !reached.has(path));
}
