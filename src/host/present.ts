import { deviceLink } from "../io/device.ts";
import { deviceAddresses, deviceRoutes, routingRules } from "../io/network-tables.ts";
import { addressWords, type HostItem, ipItemId, routeWords, ruleWords } from "./plan.ts";
import { isStrict, readSysctl } from "./sysctl.ts";

/**
 * Those that the host still has, as far as the kernel shows it: settings, addresses, routes and rules. All of them while
 * the device is down or gone: then nothing can be put back.
 */
export function presentItems(tun: string, items: readonly HostItem[]): HostItem[] {
  const link = deviceLink(tun);
  if (link === undefined || !link.isUp) return [...items];
  const families = [...new Set(items.flatMap(({ apply }) => (apply.kind === "ip" ? apply.family : [])))];
  const ids = new Set(families.flatMap((family) => presentIds(tun, link.index, family)));
  return items.filter((item) => (item.apply.kind === "ip" ? ids.has(item.id) : isSet(item)));
}

/** False for a setting that is not as it is to be. A device that has gone has taken its settings with it. */
export function isSet({ apply, ifStrict }: HostItem): boolean {
  if (apply.kind !== "sysctl") return true;
  if (ifStrict !== undefined) {
    return deviceLink(ifStrict.device)?.index !== ifStrict.index || !isStrict(ifStrict.device);
  }
  const value = readSysctl(apply.key);
  return value === undefined || value === apply.value;
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
