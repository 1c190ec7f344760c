import type { HostPlan, InterfaceAddress, InterfacePlan } from "./topology.ts";

/** The commands that configure a host, as text: restoring a link runs a part of them again. */

const firstTable = 100;
const firstRulePreference = 1000;

/** Lines for `ip -batch` that bring up everything of a host. */
export function hostCommands(host: HostPlan): string[] {
  return [
    "link set lo up",
    ...host.interfaces.flatMap((plan) => interfaceCommands(host, plan)),
    ...host.interfaces.flatMap((plan) =>
      plan.addresses.flatMap((address) => ruleCommands(host, plan, address)),
    ),
  ];
}

/** Lines that bring up one interface with its addresses and routes; they may be run again after it was down. */
export function interfaceCommands(host: HostPlan, plan: InterfacePlan): string[] {
  return [
    `link set ${plan.link} up`,
    ...plan.addresses.map((address) => addressCommand(plan, address)),
    ...routeCommands(host, plan),
  ];
}

/** Lines that replace one address by another without losing the routes over the interface. */
export function readdressCommands(
  host: HostPlan,
  plan: InterfacePlan,
  address: InterfaceAddress,
  old: string,
) {
  const oldRule = ruleCommands(host, plan, { ...address, address: old }).map((line) =>
    line.replace("add", "delete"),
  );
  return [
    addressCommand(plan, address),
    `address delete ${old}${prefixOf(address)} dev ${plan.link}`,
    ...routeCommands(host, plan),
    ...oldRule,
    ...ruleCommands(host, plan, address),
  ];
}

/** Lines that make a host's routes over an interface those of its plan. */
export function routeCommands(host: HostPlan, plan: InterfacePlan): string[] {
  const routes = host.routes.filter(({ link }) => link === plan.link);
  const main = routes.map(
    ({ to, via, metric }) => `route replace ${to} via ${via} dev ${plan.link} metric ${metric}`,
  );
  if (!host.policyRouting) return main;
  const table = firstTable + position(host, plan);
  const connected = plan.addresses.map(
    ({ subnet }) => `route replace ${subnet} dev ${plan.link} table ${table}`,
  );
  const defaults = routes
    .filter(({ to }) => to.endsWith("/0"))
    .map(({ to, via }) => `route replace ${to} via ${via} dev ${plan.link} table ${table}`);
  return [...main, ...connected, ...defaults];
}

/** Settings as `key=value`; the late ones exist only once the interfaces and the nft rules do. */
export function splitSysctls(host: HostPlan): { early: string[]; late: string[] } {
  const interfaceNames = new Set(host.interfaces.map(({ link }) => link));
  const early: string[] = [];
  const late: string[] = [];
  for (const [key, value] of Object.entries(host.sysctls)) {
    const isLate =
      key.startsWith("net.netfilter.") || key.split(/[./]/).some((part) => interfaceNames.has(part));
    (isLate ? late : early).push(`${key}=${value}`);
  }
  return { early, late };
}

function addressCommand(plan: InterfacePlan, address: InterfaceAddress): string {
  const usableAtOnce = address.family === 6 ? " nodad" : "";
  return `address replace ${address.address}${prefixOf(address)} dev ${plan.link}${usableAtOnce}`;
}

function ruleCommands(host: HostPlan, plan: InterfacePlan, { family, address }: InterfaceAddress): string[] {
  if (!host.policyRouting) return [];
  const preference = firstRulePreference + position(host, plan);
  const option = family === 6 ? "-6 " : "";
  return [
    `${option}rule add preference ${preference} from ${address} table ${firstTable + position(host, plan)}`,
  ];
}

function position(host: HostPlan, { link }: InterfacePlan): number {
  return host.interfaces.findIndex((candidate) => candidate.link === link);
}

function prefixOf({ subnet }: InterfaceAddress): string {
  return subnet.slice(subnet.indexOf("/"));
}
