/** Whether a name is meant by one in which `*` stands for any characters and `?` for one. Allocates nothing. */
export function matchesPattern(pattern: string, name: string): boolean {
  let at = 0;
  let nameAt = 0;
  /** Behind the last `*`, and where in the name what follows it is tried. */
  let star = -1;
  let tried = 0;
  while (nameAt < name.length) {
    const wanted = pattern[at];
    if (wanted === "*") {
      star = ++at;
      tried = nameAt;
    } else if (wanted === "?" || wanted === name[nameAt]) {
      at++;
      nameAt++;
    } else if (star >= 0) {
      at = star;
      nameAt = ++tried;
    } else {
      return false;
    }
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}
