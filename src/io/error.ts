import { getSystemErrorMap } from "node:util";

/** Something that cannot be set up: one line that says what, why and what to do. */
export class IoError extends Error {
  override readonly name = "IoError";
  /** Like "EBUSY"; absent where no system call failed. */
  readonly code?: string;

  /** `errno`: the negative one that a native call answered. */
  constructor(what: string, errno?: number, advice?: string) {
    const known = errno === undefined ? undefined : getSystemErrorMap().get(errno);
    const why = errno === undefined ? "" : `: ${known ? `${known[1]} (${known[0]})` : `error ${-errno}`}`;
    super(`${what}${why}${advice === undefined ? "" : `; ${advice}`}`);
    if (known) this.code = known[0];
  }
}

/** The errno values that callers tell apart, as native calls answer them (Linux). */
export const EPERM = -1;
export const EIO = -5;
export const ENXIO = -6;
export const EBADF = -9;
export const EBUSY = -16;
export const EEXIST = -17;
export const ENODEV = -19;
export const EINVAL = -22;
export const EMSGSIZE = -90;
export const EADDRINUSE = -98;
export const EADDRNOTAVAIL = -99;
export const ENETDOWN = -100;
export const ENETUNREACH = -101;
export const ENOBUFS = -105;
export const EHOSTUNREACH = -113;
