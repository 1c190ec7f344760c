/**
 * Rows of tables. A slot is a plain integer that the type checker tells from the slots of other tables; a lookup
 * answers a slot or NONE.
 */
declare const table: unique symbol;

export type NodeSlot = number & { readonly [table]: "nodes" };
export type SessionSlot = number & { readonly [table]: "sessions" };
export type PathSlot = number & { readonly [table]: "paths" };
export type AvailabilitySlot = number & { readonly [table]: "availability" };

export const NONE = -1;
export type None = typeof NONE;
