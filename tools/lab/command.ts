import { type ChildProcess, spawn } from "node:child_process";

export interface SpawnOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Takes what the command writes to its standard output, which is then not collected. */
  onStdout?: (chunk: Buffer) => void;
}

export interface ExecOptions extends SpawnOptions {
  input?: string;
  timeoutMs?: number;
  /** Returns the result of a command that failed, instead of throwing. */
  allowFailure?: boolean;
}

export interface ExecResult {
  stdout: string;
  stderr: string;
  code: number;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A command that did not do its work; the message says all that is needed to run it again by hand. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly command: string;
  readonly host: string | undefined;
  readonly code: number | null;
  readonly stderr: string;

  constructor(where: Where, outcome: string, code: number | null, stderr: string) {
    const at = where.host === undefined ? "" : `${where.host}: `;
    const details = stderr.trim() === "" ? "" : `: ${stderr.trim()}`;
    super(`${at}${where.command} ${outcome}${details}`);
    this.command = where.command;
    this.host = where.host;
    this.code = code;
    this.stderr = stderr;
  }
}

interface Where {
  command: string;
  host: string | undefined;
}

const defaultTimeoutMs = 30_000;
const stopGraceMs = 2000;
const mostOutputChars = 16 * 1024 * 1024;
/** Children of the command may hold its output open; this long after its end nothing more of its own comes. */
const lastOutputMs = 500;

/** A command that is running, with the output it has given so far. */
export class LabProcess {
  readonly command: string;
  readonly host: string | undefined;
  readonly exited: Promise<Exit>;
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;
  #running = true;
  #onOutput: (() => void)[] = [];

  /** `prefix` leads to the place where the command runs; messages leave it out. */
  constructor(
    argv: readonly string[],
    options: SpawnOptions & { host?: string; prefix?: readonly string[] } = {},
  ) {
    this.command = argv.join(" ");
    this.host = options.host;
    const [file, ...args] = [...(options.prefix ?? []), ...argv];
    // Its own process group, so that a signal reaches what the command starts in its turn.
    this.#child = spawn(file!, args, {
      detached: true,
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdio: "pipe",
    });
    this.#collect(options.onStdout);
    this.exited = this.#watchExit();
    // A command that ends without reading all its input is not an error of ours.
    this.#child.stdin!.on("error", () => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Writes to the command's standard input. */
  write(text: string): void {
    this.#child.stdin!.write(text);
  }

  endInput(): void {
    this.#child.stdin!.end();
  }

  /** Lets this process end although the command still runs. */
  unref(): void {
    this.#child.unref();
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) {
      (stream as unknown as { unref(): void }).unref();
    }
  }

  /** Sends a signal to the command and to all that it started. */
  signal(signal: NodeJS.Signals): void {
    if (this.#running) this.#signalGroup(signal);
  }

  /** Asks the command to end, and kills it when it has not after the grace time; nothing it started is left. */
  async stop(signal: NodeJS.Signals = "SIGTERM", graceMs = stopGraceMs): Promise<Exit> {
    // Of a command that ended long ago the pid may be another's by now.
    if (!this.#running) return this.exited;
    this.signal(signal);
    const timer = setTimeout(() => this.signal("SIGKILL"), graceMs);
    const exit = await this.exited;
    clearTimeout(timer);
    this.#signalGroup("SIGKILL");
    return exit;
  }

  /** Waits until the output, standard output and errors together, has a match. */
  async output(pattern: RegExp, timeoutMs = 10_000): Promise<RegExpMatchArray> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match !== null) return match;
      if (!this.#running) throw await this.failure(`ended without the output ${pattern}`);
      if (Date.now() >= deadline) throw await this.failure(`gave no output ${pattern} in ${timeoutMs} ms`);
      await this.#nextOutput(deadline - Date.now());
    }
  }

  /** An error about this command. */
  async failure(outcome: string): Promise<CommandError> {
    const code = this.#running ? null : (await this.exited).code;
    return new CommandError(this, outcome, code, this.stderr);
  }

  #signalGroup(signal: NodeJS.Signals): void {
    if (this.pid === undefined) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // The whole group has ended by itself.
    }
  }

  #collect(onStdout: ((chunk: Buffer) => void) | undefined): void {
    const append = (before: string, text: string) => (before + text).slice(-mostOutputChars);
    if (onStdout === undefined) {
      this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
        this.stdout = append(this.stdout, text);
        this.#announce();
      });
    } else {
      this.#child.stdout!.on("data", onStdout);
    }
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr = append(this.stderr, text);
      this.#announce();
    });
  }

  #watchExit(): Promise<Exit> {
    return new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        this.#running = false;
        this.#announce();
        resolve({ code, signal });
      };
      this.#child.once("error", (error) => {
        this.stderr += error.message;
        end(null, null);
      });
      this.#child.once("close", end);
      this.#child.once("exit", (code, signal) => setTimeout(end, lastOutputMs, code, signal).unref());
    });
  }

  #nextOutput(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onOutput.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #announce(): void {
    const waiting = this.#onOutput;
    this.#onOutput = [];
    for (const wake of waiting) wake();
  }
}

/** Runs a command to its end. */
export async function run(
  argv: readonly string[],
  options: ExecOptions & { host?: string; prefix?: readonly string[] } = {},
): Promise<ExecResult> {
  const running = new LabProcess(argv, options);
  running.write(options.input ?? "");
  running.endInput();
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    running.signal("SIGKILL");
  }, timeoutMs);
  const { code, signal } = await running.exited;
  clearTimeout(timer);
  if (timedOut) throw await running.failure(`did not end in ${timeoutMs} ms`);
  if (code === 0 || (code !== null && options.allowFailure === true)) {
    return { stdout: running.stdout, stderr: running.stderr, code };
  }
  throw await running.failure(
    code === null ? `was ended by ${signal ?? "a failure to start"}` : `exited with ${code}`,
  );
}
