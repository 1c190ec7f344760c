/**
 * Copies whole 32-bit words, the last of which may reach past `length`: cheaper than a call into the engine for the
 * few words of a header. Little-endian on both sides saves swapping them.
 */
export function copyWords(view: DataView, to: number, from: number, length: number): void {
  for (let i = 0; i < length; i += 4) view.setInt32(to + i, view.getInt32(from + i, true), true);
}
