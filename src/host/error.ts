/** The host could not be set up: one line that says what, why and what to do. */
export class HostError extends Error {
  override readonly name = "HostError";
}
