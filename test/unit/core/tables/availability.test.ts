import { describe, expect, it } from "vitest";
import { type AvailabilitySlot, NONE } from "../../../../src/core/base/ids.ts";
import {
  AVAILABILITY_ASKING,
  AVAILABILITY_NO,
  AVAILABILITY_YES,
  Availability,
  type AvailabilityOptions,
} from "../../../../src/core/tables/availability.ts";
import { ip4 } from "./fixtures.ts";

const HOST = ip4(192, 0, 2, 1);
const PORT = 7000;
/** The middle of the spread: intervals as they are configured. */
const MIDDLE = 0.5;

function table(options: Partial<AvailabilityOptions> = {}) {
  return new Availability({
    capacity: 4,
    seed: [1, 2],
    threshold: 3,
    retryMs: 100,
    retryMaxMs: 300,
    yesMs: 5000,
    noMs: 2000,
    ...options,
  });
}

/** Polls every 10 ms; answers when queries were due. */
function queryTimes(availability: Availability, fromMs: number, toMs: number, jitter = MIDDLE) {
  const times: number[] = [];
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 10) {
    while (availability.pollQuery(nowMs, jitter) !== NONE) times.push(nowMs);
    availability.handleTick(nowMs);
  }
  return times;
}

describe("the availability table", () => {
  it("knows nothing of a destination that was never asked", () => {
    expect(table().find(HOST, 0, PORT)).toBe(NONE);
  });

  it("asks at once, then at growing intervals up to the longest", () => {
    const availability = table({ threshold: 6 });
    const slot = availability.ask(HOST, 0, PORT, false, 1000) as AvailabilitySlot;
    expect(queryTimes(availability, 1000, 2200)).toEqual([1000, 1100, 1300, 1600, 1900, 2200]);
    expect(availability.queries[slot]).toBe(6);
    expect(availability.state[slot]).toBe(AVAILABILITY_ASKING);
  });

  it("spreads the intervals by the random number that it is given", () => {
    const times = (jitter: number) => {
      const availability = table();
      availability.ask(HOST, 0, PORT, false, 0);
      return queryTimes(availability, 0, 150, jitter);
    };
    expect([times(0)[1], times(0.999)[1]]).toEqual([80, 130]);
  });

  it("takes as many queries without an answer as the threshold for a no, and keeps that for a while", () => {
    const availability = table();
    const slot = availability.ask(HOST, 0, PORT, false, 0) as AvailabilitySlot;
    expect(queryTimes(availability, 0, 590)).toEqual([0, 100, 300]);
    expect(availability.state[slot]).toBe(AVAILABILITY_ASKING);
    expect(queryTimes(availability, 600, 2590)).toEqual([]);
    expect(availability.state[slot]).toBe(AVAILABILITY_NO);
    // Asked for again: the answer stands until it expires, and the asking begins anew after that.
    expect(availability.ask(HOST, 0, PORT, false, 2590)).toBe(slot);
    expect(availability.state[slot]).toBe(AVAILABILITY_NO);
    availability.handleTick(2600);
    expect(availability.find(HOST, 0, PORT)).toBe(NONE);
    availability.ask(HOST, 0, PORT, false, 2600);
    expect(queryTimes(availability, 2600, 2600)).toEqual([2600]);
  });

  it("stops asking when it is confirmed, and forgets the answer when it is not confirmed again", () => {
    const availability = table();
    const slot = availability.ask(HOST, 0, PORT, false, 0) as AvailabilitySlot;
    expect(queryTimes(availability, 0, 50)).toEqual([0]);
    expect(availability.confirm(HOST, 0, PORT, 60)).toBe(slot);
    expect(availability.state[slot]).toBe(AVAILABILITY_YES);
    expect(queryTimes(availability, 60, 4000)).toEqual([]);
    availability.confirm(HOST, 0, PORT, 4000);
    availability.handleTick(8999);
    expect(availability.find(HOST, 0, PORT)).toBe(slot);
    availability.handleTick(9000);
    expect(availability.find(HOST, 0, PORT)).toBe(NONE);
  });

  it("learns of a destination that asks us itself", () => {
    const availability = table();
    const slot = availability.confirm(HOST, 0, PORT, 0) as AvailabilitySlot;
    expect(availability.state[slot]).toBe(AVAILABILITY_YES);
    expect(availability.queries[slot]).toBe(0);
  });

  it("takes a no at its word", () => {
    const availability = table();
    const slot = availability.ask(HOST, 0, PORT, false, 0) as AvailabilitySlot;
    availability.deny(slot, 0);
    expect(availability.state[slot]).toBe(AVAILABILITY_NO);
    expect(queryTimes(availability, 0, 500)).toEqual([]);
  });

  it("tells ports of one address apart", () => {
    const availability = table();
    const slot = availability.confirm(HOST, 0, PORT, 0) as AvailabilitySlot;
    expect(availability.find(HOST, 0, PORT + 1)).toBe(NONE);
    expect(availability.confirm(HOST, 0, PORT + 1, 0)).not.toBe(slot);
    expect(availability.port(slot)).toBe(PORT);
    expect([...availability.words.subarray(availability.wordsAt(slot)).subarray(0, 4)]).toEqual([...HOST]);
  });

  it("goes on asking a configured peer at the longest interval, whatever is said of it", () => {
    const availability = table();
    const slot = availability.ask(HOST, 0, PORT, true, 0) as AvailabilitySlot;
    expect(queryTimes(availability, 0, 100_000).length).toBe(3 + Math.floor((100_000 - 300) / 300));
    availability.deny(slot, 100_000);
    expect(availability.state[slot]).toBe(AVAILABILITY_ASKING);
    availability.confirm(HOST, 0, PORT, 100_010);
    availability.handleTick(1e9);
    expect(availability.state[slot]).toBe(AVAILABILITY_YES);
    availability.askAgain(slot, 1e9);
    expect(availability.pollQuery(1e9, MIDDLE)).toBe(slot);
  });

  it("asks anew when a destination that said no becomes a configured peer, and lets go of one that no longer is", () => {
    const availability = table();
    const slot = availability.ask(HOST, 0, PORT, false, 0) as AvailabilitySlot;
    availability.deny(slot, 0);
    expect(availability.ask(HOST, 0, PORT, true, 10)).toBe(slot);
    expect(availability.pollQuery(10, MIDDLE)).toBe(slot);
    availability.unpin(slot, 20);
    availability.handleTick(2020);
    expect(availability.find(HOST, 0, PORT)).toBe(NONE);
  });

  it("gives up what expires next when it is full, but never a configured peer", () => {
    const availability = table({ capacity: 3 });
    availability.ask(HOST, 0, 1, true, 0);
    availability.confirm(HOST, 0, 2, 100);
    availability.confirm(HOST, 0, 3, 50);
    expect(availability.ask(HOST, 0, 4, false, 200)).not.toBe(NONE);
    expect([1, 2, 3, 4].map((port) => availability.find(HOST, 0, port) !== NONE)).toEqual([
      true,
      true,
      false,
      true,
    ]);
    expect([availability.evicted, availability.refused]).toEqual([1, 0]);
  });

  it("refuses a newcomer when all others are configured peers", () => {
    const availability = table({ capacity: 2 });
    availability.ask(HOST, 0, 1, true, 0);
    availability.ask(HOST, 0, 2, true, 0);
    expect(availability.ask(HOST, 0, 3, true, 0)).toBe(NONE);
    expect(availability.confirm(HOST, 0, 4, 0)).toBe(NONE);
    expect([availability.evicted, availability.refused]).toEqual([0, 2]);
  });

  it("forgets an entry that is removed", () => {
    const availability = table();
    const slot = availability.ask(HOST, 0, PORT, false, 0) as AvailabilitySlot;
    availability.remove(slot);
    availability.remove(slot);
    expect(availability.find(HOST, 0, PORT)).toBe(NONE);
    expect([availability.slab.size, availability.nextDeadlineMs()]).toEqual([0, Number.POSITIVE_INFINITY]);
    expect(availability.pollQuery(1e9, MIDDLE)).toBe(NONE);
  });

  it("says when something is to be done next", () => {
    const availability = table();
    expect(availability.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
    availability.ask(HOST, 0, PORT, false, 7);
    expect(availability.nextDeadlineMs()).toBe(7);
    availability.pollQuery(7, MIDDLE);
    expect(availability.nextDeadlineMs()).toBe(107);
    availability.confirm(HOST, 0, PORT, 50);
    expect(availability.nextDeadlineMs()).toBe(5050);
  });

  it("can be read by people", () => {
    const availability = table();
    availability.ask(HOST, 0, PORT, false, 0);
    availability.pollQuery(0, MIDDLE);
    availability.confirm(HOST, 0, 2, 10);
    expect(availability.snapshot(20)).toEqual([
      {
        address: "192.0.2.1",
        port: PORT,
        state: "asking",
        queries: 1,
        pinned: false,
        nextQueryInMs: 80,
        expiresInMs: 2000 + 1.25 * 600 - 20,
      },
      {
        address: "192.0.2.1",
        port: 2,
        state: "yes",
        queries: 0,
        pinned: false,
        nextQueryInMs: undefined,
        expiresInMs: 4990,
      },
    ]);
  });
});
