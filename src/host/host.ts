import { IoError } from "../io/error.ts";
import { type HostChanges, hostChanges } from "./diff.ts";
import { HostError } from "./error.ts";
import { isRunning, type Journal } from "./journal.ts";
import { type Action, type HostItem, hostItems, keeperItem } from "./plan.ts";
import { isSet, presentItems } from "./present.ts";
import { type Failure, runActions } from "./run.ts";
import type { HostState } from "./state.ts";
import { isStrict, readSysctl, sysctlName } from "./sysctl.ts";

/** What the host is to have, and has not. */
export interface Refusal extends Failure {
  /** What is for one line only, without which the others work. */
  readonly isOfLine: boolean;
}

/** What did not work. */
export interface HostFailures {
  readonly refused: readonly Refusal[];
  /** What it is not to have any more, and still has. */
  readonly left: readonly Failure[];
}

/** What the daemon has done to the host, and how it is undone. One change at a time. */
export class Host {
  private readonly tun: string;
  private readonly journal: Journal;
  private items: HostItem[] = [];
  private busy: Promise<unknown> = Promise.resolve();

  constructor(tun: string, journal: Journal) {
    this.tun = tun;
    this.journal = journal;
  }

  /** Makes the host be as wanted; what is gone without our doing is put back. */
  apply(state: HostState): Promise<HostFailures> {
    return this.next(async () => {
      const wanted = hostItems(state);
      const keeper = wantsKeeper(hostChanges(this.items, wanted)) ? keeperItem(state) : undefined;
      if (keeper === undefined) {
        const left = await this.removeOthers(wanted);
        return { left, refused: await this.add(wanted) };
      }
      const kept = await this.add([keeper]);
      const left = await this.removeOthers([keeper, ...wanted]);
      const refused = await this.add(wanted);
      return { left: [...left, ...(await this.removeOthers(wanted))], refused: [...kept, ...refused] };
    });
  }

  /** What of ours is gone without our doing, as people read it; while nothing is being changed. */
  missing(): string[] {
    const present = new Set(presentItems(this.tun, this.items));
    return this.items.filter((item) => !present.has(item)).map(nameOf);
  }

  /** Whether a setting is among that; quick, since the kernel does not tell of settings. */
  lacksSetting(): boolean {
    return !this.items.every(isSet);
  }

  private async removeOthers(wanted: readonly HostItem[]): Promise<Failure[]> {
    const { undo } = hostChanges(presentItems(this.tun, this.items), wanted);
    const failures = await runActions(undo.flatMap((item) => item.undo ?? []));
    const wantedIds = new Set(wanted.map(({ id }) => id));
    // Also those that are missing: a setting that is put back still knows what there was at first.
    this.items = this.items.filter(({ id }) => wantedIds.has(id));
    return failures;
  }

  private async add(wanted: readonly HostItem[]): Promise<Refusal[]> {
    const present = presentItems(this.tun, this.items);
    const { apply } = hostChanges(present, wanted);
    const before = new Map(this.items.map((item) => [item.id, item]));
    const completed = apply.map((item) => withOldValue(item, before.get(item.id)));
    const items = new Map([...before.values(), ...completed].map((item) => [item.id, item]));
    const wantedIds = new Set(wanted.map(({ id }) => id));
    // In the order in which they depend on each other, whenever each was added.
    const all = [
      ...this.items.filter(({ id }) => !wantedIds.has(id)),
      ...wanted.flatMap(({ id }) => items.get(id) ?? []),
    ];
    try {
      this.journal.write(remainingUndo(all));
    } catch (error) {
      // What could not be undone is not done.
      if (!(error instanceof IoError)) throw error;
      return completed.map(({ apply: action }) => ({ action, reason: error.message, isOfLine: false }));
    }
    this.items = all;
    const needed = completed.filter(({ ifStrict }) => ifStrict === undefined || isStrict(ifStrict.device));
    const failures = await runActions(needed.map((item) => item.apply));
    if (failures.length > 0) {
      // What has not been replaced is still there. What is not ours, because somebody else had it before, is not undone.
      const failed = new Set(failures.map(({ action }) => action));
      const still = new Map(present.map((item) => [item.id, item]));
      this.items = all.flatMap((item) => (failed.has(item.apply) ? (still.get(item.id) ?? []) : [item]));
      this.journal.write(remainingUndo(this.items));
    }
    const ofLines = new Set(all.filter(({ ifStrict }) => ifStrict !== undefined).map((item) => item.apply));
    return failures.map((failure) => ({ ...failure, isOfLine: ofLines.has(failure.action) }));
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

function wantsKeeper({ undo }: HostChanges): boolean {
  return undo.some(({ apply }) => apply.kind === "ip" && apply.family === 4 && apply.args[0] === "address");
}

/** With what a setting says now, or said when it became ours, as what undoing it gives back. */
function withOldValue(item: HostItem, ours: HostItem | undefined): HostItem {
  const { apply } = item;
  if (apply.kind !== "sysctl") return item;
  if (ours?.undo !== undefined) return { ...item, undo: ours.undo };
  const value = readSysctl(apply.key);
  return value === undefined || isSet(item) ? item : { ...item, undo: { ...apply, value } };
}

/** For people. */
function nameOf({ id, apply }: HostItem): string {
  return apply.kind === "sysctl" ? sysctlName(apply.key) : id.replace(/^(\w+) [46]/, "$1");
}

function remainingUndo(items: readonly HostItem[]): Action[] {
  return items
    .filter(({ remains }) => remains)
    .reverse()
    .flatMap(({ undo }) => undo ?? []);
}
