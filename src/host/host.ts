import { hostChanges } from "./diff.ts";
import { HostError } from "./error.ts";
import { isRunning, type Journal } from "./journal.ts";
import { type Action, type HostItem, hostItems } from "./plan.ts";
import { isStrict, readSysctl, readText, runActions } from "./run.ts";
import type { HostState } from "./state.ts";

/** What the daemon has done to the host, and how it is undone. One change at a time. */
export class Host {
  private readonly journal: Journal;
  private items: HostItem[] = [];
  private busy: Promise<unknown> = Promise.resolve();

  constructor(journal: Journal) {
    this.journal = journal;
  }

  /** Makes the host be as wanted; answers what did not work, in one line each. */
  apply(state: HostState): Promise<string[]> {
    return this.next(async () => {
      const { undo, apply } = hostChanges(this.items, hostItems(state));
      const undone = await runActions(undo.flatMap((item) => item.undo ?? []));
      const areNeeded = await Promise.all(
        apply.map(({ ifStrict }) => ifStrict === undefined || isStrict(ifStrict)),
      );
      const needed = apply.filter((_, i) => areNeeded[i]);
      const completed = await Promise.all(
        needed.map((item) =>
          withOldValue(
            item,
            this.items.find(({ id }) => id === item.id),
          ),
        ),
      );
      const replaced = new Set([...undo, ...completed].map(({ id }) => id));
      this.items = [...this.items.filter(({ id }) => !replaced.has(id)), ...completed];
      this.journal.write(remainingUndo(this.items));
      const failures = await runActions(completed.map((item) => item.apply));
      if (failures.length > 0) {
        // What is not ours, because somebody else had it before, is not undone.
        const failed = new Set(failures.map(({ action }) => action));
        this.items = this.items.filter((item) => !failed.has(item.apply));
        this.journal.write(remainingUndo(this.items));
      }
      return [...undone, ...failures].map(({ reason }) => reason);
    });
  }

  /** After the TUN device was closed: undoes what has not gone with it. */
  undo(): Promise<string[]> {
    return this.next(async () => {
      const failures = await runActions(remainingUndo(this.items));
      this.items = [];
      this.journal.remove();
      return failures.map(({ reason }) => reason);
    });
  }

  private next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.busy.then(work);
    this.busy = result.catch(() => {});
    return result;
  }
}

/** Undoes what a daemon that is no more has left; answers whether there was anything. */
export async function sweepHost(journal: Journal): Promise<boolean> {
  const entry = journal.read();
  if (entry === undefined) {
    journal.remove();
    return false;
  }
  if (isRunning(entry)) {
    throw new HostError(`the process ${entry.pid} runs it already; end that first with mpip down`);
  }
  // Part of it may not have been done before the daemon ended.
  await runActions(entry.undo);
  journal.remove();
  return true;
}

/** With what a setting or a file says now as what undoing it gives back; `ours` is what we have made of it so far. */
async function withOldValue(item: HostItem, ours: HostItem | undefined): Promise<HostItem> {
  const { apply } = item;
  if (apply.kind === "sysctl") {
    const value = await readSysctl(apply.key);
    return value === undefined || value === apply.value ? item : { ...item, undo: { ...apply, value } };
  }
  if (apply.kind !== "file") return item;
  const text = ours?.undo?.kind === "file" ? ours.undo.text : await readText(apply.path);
  return { ...item, undo: { kind: "file", path: apply.path, text, instead: apply.text! } };
}

function remainingUndo(items: readonly HostItem[]): Action[] {
  return items
    .filter(({ remains }) => remains)
    .reverse()
    .flatMap(({ undo }) => undo ?? []);
}
