import { readFileSync } from "node:fs";
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type YAMLParseError,
} from "yaml";
import type { z } from "zod";
import { compileRules } from "../core/dispatch/compile.ts";
import type { RuleSpec } from "../core/dispatch/rule-spec.ts";
import { type Problem, relationProblems } from "./relations.ts";
import { configSchema, type Config as FileConfig } from "./schema.ts";
import { MISSING } from "./schema-parts.ts";
import { shown } from "./values.ts";

export interface Config extends Omit<FileConfig, "rules"> {
  readonly rules: readonly RuleSpec[];
}

/** What is wrong with a file: a line for each mistake, in the order of the file. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join("\n"));
    this.lines = lines;
  }
}

export function readConfig(path: string): Config {
  return parseConfig(readText(path), path);
}

export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file; name one with -c" : (error as Error).message;
    throw new ConfigError([`${path}: cannot be read: ${why}`]);
  }
}

/** `file` is how messages call it. */
export function parseConfig(text: string, file: string): Config {
  const { document, value } = parseText(text, file);
  const result = configSchema.safeParse(value, { reportInput: true });
  const rules = (result.data?.rules ?? []).map((rule, i) => ({
    ...rule,
    name: rule.name ?? `rule-${i + 1}`,
  }));
  const problems = [
    ...repeatedKeys(document.contents, []),
    ...(result.error?.issues.flatMap(issueProblems) ?? []),
    ...relationProblems(value),
  ];
  // The compiler would stumble over the same mistakes again.
  if (!problems.some(({ path }) => path[0] === "rules")) problems.push(...compileProblems(rules));
  if (result.data === undefined || problems.length > 0) throw placedError(text, file, problems);
  return { ...result.data, rules };
}

/** What is wrong with a file that says `text`. */
export function placedError(text: string, file: string, problems: readonly Problem[]): ConfigError {
  const { document, at, value } = parseText(text, file);
  const placed = problems
    .map(({ path, message }) => ({ path: pathInFile(path, value), message }))
    .map((problem) => ({ problem, offset: offsetOf(document, problem.path) }));
  placed.sort((one, other) => one.offset - other.offset);
  return new ConfigError(placed.map(({ problem, offset }) => at(offset, problemText(problem))));
}

function parseText(text: string, file: string) {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const at = (offset: number, message: string) => `${file}:${lines.linePos(offset).line}: ${message}`;
  const wrong = document.errors.map((error) => at(error.pos[0], yamlProblem(error)));
  if (wrong.length === 0) wrong.push(...aliasProblems(document, at));
  if (wrong.length > 0) throw new ConfigError(wrong);
  return { document, at, value: contentOf(document, file) };
}

/** An alias that stands for nothing is, as a rule, a pattern without quotes. */
function aliasProblems(document: Document.Parsed, at: (offset: number, message: string) => string): string[] {
  const problems: string[] = [];
  visit(document, {
    Alias: (_, alias, ancestors) => {
      const target = alias.resolve(document);
      const text = `*${alias.source}`;
      const offset = alias.range?.[0] ?? 0;
      if (target === undefined)
        problems.push(at(offset, `${text} stands for nothing; write "${text}" in quotes`));
      else if (ancestors.includes(target))
        problems.push(at(offset, `${text} is part of itself; write it out`));
    },
  });
  return problems;
}

function contentOf(document: Document.Parsed, file: string): unknown {
  try {
    return withoutNulls(document.toJS({ maxAliasCount: ALIASES_MAX }) ?? {});
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw new ConfigError([
      `${file}: aliases stand for more than ${ALIASES_MAX} values; write some of them out`,
    ]);
  }
}

const ALIASES_MAX = 10_000;

function yamlProblem({ code, message }: YAMLParseError): string {
  if (code === "MULTIPLE_DOCS") return "--- begins another document, and a file has one; take that line out";
  return `${message.split("\n")[0]}; correct the YAML`;
}

function issueProblems(issue: z.core.$ZodIssue): Problem[] {
  const path = issue.path as (string | number)[];
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: "is not known; see docs/configuration.md",
    }));
  }
  if (issue.code !== "invalid_type") return [{ path, message: issue.message }];
  if (issue.input === undefined) return [{ path, message: MISSING }];
  const wanted = issue.expected === "array" ? "a list" : "a mapping of keys";
  return [{ path, message: `${shown(issue.input)} is not ${wanted}; write one` }];
}

/** Where the schema takes one value for a list of one, or for a mapping with one key, the file has no such place. */
function pathInFile(path: readonly (string | number)[], value: unknown): (string | number)[] {
  let inner = value as Record<string | number, unknown> | undefined;
  return path.filter((part) => {
    const isScalar = inner !== undefined && typeof inner !== "object";
    const exists = typeof part === "string" ? !isScalar : Array.isArray(inner);
    if (exists) inner = inner?.[part] as typeof inner;
    return exists;
  });
}

function compileProblems(rules: readonly RuleSpec[]): Problem[] {
  try {
    compileRules(rules);
    return [];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return [{ path: ["rules"], message: `${error.message}; name fewer` }];
  }
}

function problemText({ path, message }: Problem): string {
  const field = path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : text === "" ? part : `${text}.${part}`),
    "",
  );
  return field === "" ? message : `${field}: ${message}`;
}

/** A repeated key would silently hide what came before. */
function repeatedKeys(node: unknown, path: readonly (string | number)[]): Problem[] {
  if (isSeq(node)) return node.items.flatMap((item, i) => repeatedKeys(item, [...path, i]));
  if (!isMap(node)) return [];
  const seen = new Set<string>();
  return node.items.flatMap(({ key, value }) => {
    const name = keyText(key);
    const inner = [...path, name];
    const repeated = seen.has(name) ? [{ path: inner, message: "stands twice; take one of them out" }] : [];
    seen.add(name);
    return [...repeated, ...repeatedKeys(value, inner)];
  });
}

/** Where the key of a problem stands in the file, or its nearest ancestor that does. */
function offsetOf(document: Document.Parsed, path: readonly (string | number)[]): number {
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

/** A key without a value is as good as none. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutNulls(inner)]));
}

function keyText(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

function rangeStart(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] } | undefined)?.range?.[0];
}
