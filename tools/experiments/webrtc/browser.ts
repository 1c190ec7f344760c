import { type ChildProcess, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import type { Duplex, Writable } from "node:stream";
import { type Host, namespaced, requireTools, waitFor } from "../../lab/index.ts";

/** A browser without a window on a host, with one page, spoken to over a pair of pipes (Chrome DevTools Protocol). */
export class Browser {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #session: string | undefined;
  #asked = 0;
  #text = "";

  private constructor(child: ChildProcess, directory: string) {
    this.#child = child;
    this.#directory = directory;
    (child.stdio[4] as Duplex).setEncoding("utf8").on("data", (text: string) => this.#read(text));
    // What is still asked of a browser that ends is not answered; who waits for it has a timeout.
    (child.stdio[3] as Writable).on("error", () => {});
  }

  static async start(host: Host, options: readonly string[], page: string): Promise<Browser> {
    requireTools("chromium");
    const directory = host.makeDirectory();
    const command = ["chromium", ...OPTIONS, ...options, `--user-data-dir=${directory}`, "about:blank"];
    const [program, ...args] = [...namespaced(host.namespace), ...command];
    const child = spawn(program!, args, {
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    const browser = new Browser(child, directory);
    const { targetId } = await browser.#ask<{ targetId: string }>("Target.createTarget", { url: page });
    const attach = { targetId, flatten: true };
    const { sessionId } = await browser.#ask<{ sessionId: string }>("Target.attachToTarget", attach);
    browser.#session = sessionId;
    const loaded = `document.readyState === "complete" && document.URL === ${JSON.stringify(page)}`;
    await waitFor(() => browser.evaluate<boolean>(loaded), { what: `chromium to open ${page}` });
    return browser;
  }

  /** The value of an expression in the page, or what it promises. */
  async evaluate<T>(expression: string): Promise<T> {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.#ask<Evaluation>("Runtime.evaluate", params);
    if (exceptionDetails === undefined) return result.value as T;
    throw new Error(`in the page: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
  }

  async stop(): Promise<void> {
    try {
      process.kill(-this.#child.pid!, "SIGKILL");
    } catch {
      // It has ended.
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }

  #ask<T>(method: string, params: object): Promise<T> {
    const id = ++this.#asked;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`chromium does not answer ${method}`)), ANSWER_MS);
      this.#answers.set(id, ({ result, error }) => {
        clearTimeout(timer);
        if (error === undefined) resolve(result as T);
        else reject(new Error(`chromium refuses ${method}: ${error.message}`));
      });
      (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    });
  }

  #read(text: string): void {
    const messages = (this.#text + text).split("\0");
    this.#text = messages.pop()!;
    for (const message of messages) {
      const answer = JSON.parse(message) as Answer;
      this.#answers.get(answer.id)?.(answer);
      this.#answers.delete(answer.id);
    }
  }
}

interface Answer {
  id: number;
  result?: unknown;
  error?: { message: string };
}

interface Evaluation {
  result: { value?: unknown };
  exceptionDetails?: { text: string; exception?: { description?: string } };
}

const ANSWER_MS = 30_000;

const OPTIONS = [
  "--headless=new",
  "--remote-debugging-pipe",
  "--no-sandbox",
  "--no-first-run",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--mute-audio",
  "--autoplay-policy=no-user-gesture-required",
  "--use-fake-ui-for-media-stream",
  "--use-fake-device-for-media-stream",
  "--allow-file-access-from-files",
  "--disable-features=WebRtcHideLocalIpsWithMdns",
];
