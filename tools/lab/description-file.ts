import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Path, Problem } from "./checks.ts";
import { type Description, DescriptionError, descriptionProblems, problemText } from "./description.ts";

interface PlacedProblem {
  problem: Problem;
  offset: number;
}

/** Reads a description; what is wrong with it comes as one error, each problem with its file and line. */
export function readDescription(path: string): Description {
  return parseDescription(readText(path), basename(path));
}

export function parseDescription(text: string, fileName: string): Description {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const at = (offset: number, message: string) => `${fileName}:${lines.linePos(offset).line}: ${message}`;
  if (document.errors.length > 0) {
    throw new DescriptionError(document.errors.map((error) => at(error.pos[0], error.message)));
  }
  const value: unknown = document.toJS();
  const placed = [
    ...repeatedKeys(document.contents, []),
    ...descriptionProblems(value).map((problem) => ({ problem, offset: offsetOf(document, problem.path) })),
  ];
  if (placed.length === 0) return value as Description;
  placed.sort((one, other) => one.offset - other.offset);
  throw new DescriptionError(placed.map(({ problem, offset }) => at(offset, problemText(problem))));
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new DescriptionError([`cannot read ${path}: ${(error as Error).message}`]);
  }
}

/** A repeated key would silently hide what came before. */
function repeatedKeys(node: unknown, path: Path): PlacedProblem[] {
  if (!isMap(node)) return [];
  const seen = new Set<string>();
  return node.items.flatMap(({ key, value }) => {
    const name = keyText(key);
    const isRepeated = seen.has(name);
    seen.add(name);
    const inner = [...path, name];
    const problem = { path: inner, message: "this name is already used above" };
    return [
      ...(isRepeated ? [{ problem, offset: rangeStart(key) ?? 0 }] : []),
      ...repeatedKeys(value, inner),
    ];
  });
}

/** Where the key of a problem stands in the file, or its nearest ancestor that does. */
function offsetOf(document: Document.Parsed, path: Path): number {
  let node: unknown = document.contents;
  let offset = rangeStart(node) ?? 0;
  for (const part of path) {
    // Of a repeated key the last one counts.
    const pair = isMap(node) ? node.items.findLast(({ key }) => keyText(key) === part) : undefined;
    const item = isSeq(node) && typeof part === "number" ? node.items[part] : undefined;
    const place = rangeStart(pair?.key ?? item);
    if (place === undefined) break;
    offset = place;
    node = pair?.value ?? item;
  }
  return offset;
}

function keyText(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

function rangeStart(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] } | undefined)?.range?.[0];
}
