/** Of Okabe and Ito, which all eyes can tell apart; a thing has the same colour in every chart. */
const FIXED: Record<string, string> = {
  "link 1": "#0072b2",
  "link 2": "#56b4e9",
  "best line": "#0072b2",
  received: "#222222",
  MPTCP: "#e69f00",
  mpip: "#009e73",
  "Wi-Fi": "#0072b2",
  LTE: "#56b4e9",
  "MPTCP, 2 paths": "#f5cf73",
  "MPTCP, 4 paths": "#e69f00",
  "mpip, 2 paths": "#66c5ab",
  "mpip, 4 paths": "#009e73",
};
const OTHERS = ["#cc79a7", "#d55e00", "#882255", "#999933", "#332288", "#888888"];

/** A colour for each of the things in a chart. */
export function coloursOf(things: readonly { name: string }[]): string[] {
  let others = 0;
  return things.map(({ name }) => FIXED[name] ?? OTHERS[others++ % OTHERS.length]!);
}
