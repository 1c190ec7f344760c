import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/cli/package.ts";
import type { LabProcess } from "./command.ts";
import type { Host } from "./host.ts";
import { builtFile } from "./own-files.ts";

/** A daemon of mpip on a host of the lab, with files of its own. */
export class LabDaemon implements Disposable {
  readonly host: Host;
  readonly directory: string;
  readonly configPath: string;
  process: LabProcess | undefined;
  readonly #program: string;

  /** `checkout` is where the program comes from: this one, or another that is compiled. */
  constructor(host: Host, config: string, checkout: string = packageRoot()) {
    this.host = host;
    this.#program = builtFile(checkout, "npm run build", "dist", "mpip", "main.js");
    this.directory = host.makeDirectory();
    this.configPath = join(this.directory, "mpip.yaml");
    this.write(config);
  }

  write(config: string): void {
    writeFileSync(this.configPath, config);
  }

  /** Arguments of node. */
  get upCommand(): string[] {
    return [this.#program, "up", "-c", this.configPath, "--state-dir", this.directory, ...this.where()];
  }

  /** Starts the daemon, and waits until it is up. */
  async up(): Promise<LabProcess> {
    this.process = this.host.spawn(process.execPath, this.upCommand);
    await this.process.output(/ is up: /);
    return this.process;
  }

  /** A verb of the command line, with its JSON answer. */
  async ask<T>(verb: string, ...args: string[]): Promise<T> {
    return JSON.parse(await this.run(verb, "--json", ...args));
  }

  async run(verb: string, ...args: string[]): Promise<string> {
    return (await this.host.exec(process.execPath, [this.#program, verb, ...args, ...this.where()])).stdout;
  }

  /** What it said in its log. */
  get messages(): string[] {
    return (this.process?.stderr ?? "")
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line).msg);
  }

  private where(): string[] {
    return ["--run-dir", join(this.directory, "run")];
  }

  [Symbol.dispose](): void {
    this.process?.signal("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }
}
