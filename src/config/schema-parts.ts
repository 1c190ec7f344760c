import { z } from "zod";
import { Wrong } from "./values.ts";

/** A value that `parse` makes something of, or throws a Wrong. */
export function leaf<T>(parse: (value: unknown) => T) {
  return z.unknown().transform((value, context): T => {
    if (value === undefined) return failed(context, MISSING);
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      return failed(context, error.message);
    }
  });
}

/** A list, or one value that is a list of one. */
export function oneOrMore<T>(parse: (value: unknown) => T) {
  return listOf(leaf(parse));
}

export function listOf<T extends z.ZodType>(item: T) {
  const list = z.array(item).min(1, "the list is empty; name at least one, or leave the key out");
  return z.preprocess((value) => (value === undefined || Array.isArray(value) ? value : [value]), list);
}

export const MISSING = "is missing; add it";

function failed(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}
