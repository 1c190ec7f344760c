import { deviceLink } from "../io/device.ts";
import { deviceAddresses, deviceRoutes, routingRules } from "../io/network-tables.ts";
import { addressWords, type HostItem, ipItemId, routeWords, ruleWords } from "./plan.ts";

/**
 * Those that the host still has, as far as the kernel shows it: addresses, routes and rules. All of them while the
 * device is down or gone: then nothing can be put back.
 */
export function presentItems(tun: string, items: readonly HostItem[]): HostItem[] {
  const link = deviceLink(tun);
  if (link === undefined || !link.isUp) return [...items];
  const families = [...new Set(items.flatMap(({ apply }) => (apply.kind === "ip" ? apply.family : [])))];
  const ids = new Set(families.flatMap((family) => presentIds(tun, link.index, family)));
  return items.filter(({ id, apply }) => apply.kind !== "ip" || ids.has(id));
}

function presentIds(tun: string, index: number, family: 4 | 6): string[] {
  return [
    ...deviceAddresses(index, family).map((each) => ipItemId("address", family, addressWords(tun, each))),
    ...deviceRoutes(index, family).map(({ prefix, table }) =>
      ipItemId("route", family, routeWords(tun, prefix, table)),
    ),
    ...routingRules(family).map((rule) => ipItemId("rule", family, ruleWords(rule))),
  ];
}
