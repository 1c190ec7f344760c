import type { QuotaConfig } from "../config/interface.ts";

/** When the period began that `now` is in, by the host's own time. */
export function periodStart({ every, resetDay }: Pick<QuotaConfig, "every" | "resetDay">, now: Date): Date {
  const [year, month, day] = [now.getFullYear(), now.getMonth(), now.getDate()];
  if (every === "day") return new Date(year, month, day);
  const thisMonth = resetIn(year, month, resetDay);
  return thisMonth <= now ? thisMonth : resetIn(year, month - 1, resetDay);
}

/** When the next one begins. */
export function periodEnd(quota: Pick<QuotaConfig, "every" | "resetDay">, now: Date): Date {
  const start = periodStart(quota, now);
  const [year, month, day] = [start.getFullYear(), start.getMonth(), start.getDate()];
  return quota.every === "day" ? new Date(year, month, day + 1) : resetIn(year, month + 1, quota.resetDay);
}

/** A month that is too short has the reset on its last day. */
function resetIn(year: number, month: number, resetDay: number): Date {
  const lastDay = new Date(year, month + 1, 0).getDate();
  return new Date(year, month, Math.min(resetDay, lastDay));
}
