import { statSync } from "node:fs";
import { type Config, ConfigError, placedError, readConfig, readText } from "../config/parse.ts";
import type { Problem } from "../config/relations.ts";

/** The configuration file, and whether it has changed: it is looked at, so it may be replaced in any way. */
export class ConfigFile {
  readonly path: string;
  private stamp: string;

  constructor(path: string) {
    this.path = path;
    this.stamp = this.stampNow();
  }

  /** Whether the file is another one than when it was asked last. */
  pollChanged(): boolean {
    const stamp = this.stampNow();
    const changed = stamp !== this.stamp;
    this.stamp = stamp;
    return changed;
  }

  /** What the file says, or what is wrong with it. */
  read(): Config | ConfigError {
    return orError(() => readConfig(this.path));
  }

  /** What turns out to be wrong with the file only when it is put to use. */
  error(problems: readonly Problem[]): ConfigError {
    return orError(() => placedError(readText(this.path), this.path, problems));
  }

  private stampNow(): string {
    try {
      const { ino, size, mtimeNs } = statSync(this.path, { bigint: true });
      return `${ino} ${size} ${mtimeNs}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? "";
    }
  }
}

function orError<T>(work: () => T): T | ConfigError {
  try {
    return work();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}
