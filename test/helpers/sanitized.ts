import { cp, mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { run } from "../../tools/lab/command.ts";
import { ROOT, type Where } from "./child.ts";

/**
 * A copy of the built product, in `directory`, whose addon has AddressSanitizer, LeakSanitizer and UBSan in it. The
 * normal build is not touched.
 */
export class SanitizedCopy {
  private readonly directory: string;
  private readonly libraries: string;

  private constructor(directory: string, libraries: string) {
    this.directory = directory;
    this.libraries = libraries;
  }

  static async make(directory: string): Promise<SanitizedCopy> {
    const native = `${directory}/native`;
    await mkdir(native);
    const sources = (await readdir(`${ROOT}native`)).filter((name) => /\.(cc|h|gyp|js)$/.test(name));
    for (const name of sources) await cp(`${ROOT}native/${name}`, `${native}/${name}`);
    await cp(`${ROOT}package.json`, `${directory}/package.json`);
    await cp(`${ROOT}dist`, `${directory}/dist`, { recursive: true });
    await symlink(`${ROOT}node_modules`, `${directory}/node_modules`);
    await nodeGyp(native);
    await run(["make", "-C", `${native}/build`, "BUILDTYPE=Release", "mpip_sanitized"], {
      timeoutMs: 120_000,
    });
    return new SanitizedCopy(directory, await sanitizerLibraries());
  }

  /** How to run a child in it. Every report is written to a file of its own; an error ends the process. */
  where(where: Where, label: string): Where {
    const log = `log_path=${this.directory}/report-${label}`;
    const env = {
      LD_PRELOAD: this.libraries,
      ASAN_OPTIONS: `detect_leaks=1:${log}`,
      // Node leaves things behind on purpose: the reports are judged, not the exit code.
      LSAN_OPTIONS: "exitcode=0",
      UBSAN_OPTIONS: `print_stacktrace=1:${log}`,
    };
    return { ...where, root: `${this.directory}/`, env: { ...env, ...where.env } };
  }

  /** The parts of a child's reports, each an error or a leak with its stack, that have the addon in them. */
  async findings(label: string): Promise<string[]> {
    const names = (await readdir(this.directory)).filter((name) => name.startsWith(`report-${label}.`));
    const texts = await Promise.all(names.map((name) => readFile(`${this.directory}/${name}`, "utf8")));
    const sources = (await readdir(`${this.directory}/native`)).filter((name) => /\.(cc|h)$/.test(name));
    return texts.flatMap((text) => addonFindings(text, sources));
  }
}

/**
 * The paragraphs of a sanitizer's report that have a line of these source files in their stack. What V8 allocates for
 * itself while it is called from there is V8's, which lets go of it only when an environment ends in peace.
 */
export function addonFindings(report: string, sources: readonly string[]): string[] {
  const ours = new RegExp(`[ /](${sources.map((name) => name.replace(".", "\\.")).join("|")}):\\d`);
  const ofV8 = /#1 \S+ in [^\n(]*\bv8::internal::/;
  return report.split(/\n\s*\n/).filter((paragraph) => ours.test(paragraph) && !ofV8.test(paragraph));
}

async function nodeGyp(directory: string): Promise<void> {
  // Through npm, which knows where the headers of this Node are.
  const argv = [
    "npm",
    "exec",
    "--",
    "node-gyp",
    "-C",
    directory,
    "--silent",
    "configure",
    "--",
    "-Dsanitize=1",
  ];
  await run(argv, { cwd: ROOT, timeoutMs: 120_000 });
}

/** The libraries that must be loaded before all others, as LD_PRELOAD takes them. */
export async function sanitizerLibraries(): Promise<string> {
  const names = ["libasan.so", "libubsan.so"];
  const found = await Promise.all(names.map((name) => run(["cc", `-print-file-name=${name}`])));
  return found.map(({ stdout }) => stdout.trim()).join(":");
}
