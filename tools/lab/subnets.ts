import type { LinkDescription } from "./description.ts";
import { type Family, parseSubnet, type Subnet } from "./ip-address.ts";

export interface LinkSubnet {
  subnet: Subnet;
  /** Given by the description, not made up from the link's position. */
  given: boolean;
}

/** The subnet of the link at `position` of the description: 10.<position>.0.0/24 and fd00:<position>::/64. */
export function linkSubnet(link: LinkDescription, position: number, family: Family): LinkSubnet | undefined {
  const given = family === 4 ? link.subnet4 : link.subnet6;
  if (given === "none") return undefined;
  const automatic = family === 4 ? `10.${position}.0.0/24` : `fd00:${position}::/64`;
  return { subnet: parseSubnet(given ?? automatic)!, given: given !== undefined };
}
