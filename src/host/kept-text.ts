/**
 * Texts of ours in place of others, which they keep in comments: whoever finds one, after a power cut or in place of
 * another daemon's, finds in it what stood there before any of them. Everything else would have to be remembered.
 */

/** How the texts of all daemons begin, and those of nobody else. */
export const OWN_START = "# By mpip for ";
const KEPT_HEAD = "# What stood here:";
const KEPT_START = "#| ";

/** A text of ours that keeps the original; without one there was no file. */
export function withKept(text: string, original: string | undefined): string {
  if (original === undefined) return text;
  // The end of the last line is a line more, without anything in it.
  const lines = [KEPT_HEAD, ...original.split("\n").map((line) => KEPT_START + line)];
  return text + lines.map((line) => `${line}\n`).join("");
}

/** What stood there before any daemon put its text in place; undefined where there was no file. */
export function originalOf(text: string | undefined): string | undefined {
  if (!text?.startsWith(OWN_START)) return text;
  const lines = text.split("\n");
  const head = lines.indexOf(KEPT_HEAD);
  if (head < 0) return undefined;
  const kept = lines.slice(head).filter((line) => line.startsWith(KEPT_START));
  return kept.map((line) => line.slice(KEPT_START.length)).join("\n");
}
