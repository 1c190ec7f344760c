/** Small composable checks of untyped values, which gather every problem instead of stopping at the first. */

export type Path = readonly (string | number)[];

export interface Problem {
  path: Path;
  message: string;
}

export type Check = (value: unknown, path: Path, problems: Problem[]) => void;

/** A mapping with known keys. An unknown key is a problem at that key. */
export function object(keys: Record<string, Check>, required: readonly string[] = []): Check {
  return (value, path, problems) => {
    if (!isMapping(value)) {
      problems.push({
        path,
        message: `must be a mapping of ${listed(Object.keys(keys))}, not ${shown(value)}`,
      });
      return;
    }
    for (const [key, inner] of Object.entries(value)) {
      if (inner === undefined) continue;
      const check = Object.hasOwn(keys, key) ? keys[key] : undefined;
      if (check === undefined) {
        problems.push({
          path: [...path, key],
          message: `unknown key; allowed: ${Object.keys(keys).join(", ")}`,
        });
      } else {
        check(inner, [...path, key], problems);
      }
    }
    for (const key of required) {
      if (value[key] === undefined) problems.push({ path, message: `the key ${key} is missing` });
    }
  };
}

/** A mapping from names to values of one kind. */
export function namedEntries(namePattern: RegExp, nameRule: string, entry: Check): Check {
  return (value, path, problems) => {
    if (!isMapping(value)) {
      problems.push({ path, message: `must be a mapping from names to settings, not ${shown(value)}` });
      return;
    }
    for (const [name, inner] of Object.entries(value)) {
      if (!namePattern.test(name))
        problems.push({ path: [...path, name], message: `a name must be ${nameRule}` });
      entry(inner, [...path, name], problems);
    }
  };
}

export function list(item: Check, length?: number): Check {
  return (value, path, problems) => {
    if (!Array.isArray(value) || (length !== undefined && value.length !== length)) {
      const what = length === undefined ? "a list" : `a list of ${length}`;
      problems.push({ path, message: `must be ${what}, not ${shown(value)}` });
      return;
    }
    for (const [i, inner] of value.entries()) item(inner, [...path, i], problems);
  };
}

export function number(min: number, max: number): Check {
  return satisfying(
    (value) => typeof value === "number" && value >= min && value <= max,
    `must be a number from ${min} to ${max}`,
  );
}

export function integer(min: number, max: number): Check {
  return satisfying(
    (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
    `must be a whole number from ${min} to ${max}`,
  );
}

export function flag(): Check {
  return satisfying((value) => typeof value === "boolean", "must be true or false");
}

export function word(words: readonly string[]): Check {
  return satisfying((value) => words.includes(value as string), `must be ${alternatives(words)}`);
}

/** A value for which `accepts` holds; `rule` says what is allowed, starting with "must be". */
export function satisfying(accepts: (value: unknown) => boolean, rule: string): Check {
  return (value, path, problems) => {
    if (!accepts(value)) problems.push({ path, message: `${rule}, not ${shown(value)}` });
  };
}

/** An entry that may be left empty (`a:` in YAML). */
export function orEmpty(check: Check): Check {
  return (value, path, problems) => {
    if (value !== null) check(value, path, problems);
  };
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function alternatives(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

export function listed(words: readonly string[]): string {
  return words.length === 0 ? "nothing" : words.join(", ");
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return "empty";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
