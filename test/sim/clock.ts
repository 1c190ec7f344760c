/** Virtual time, and what is to happen when. Events at one time happen in the order in which they were planned. */
export class Clock {
  nowUs = 0;
  private readonly events: { atUs: number; order: number; run: () => void }[] = [];
  private order = 0;

  after(delayUs: number, run: () => void): void {
    // It would have no place among the others, and stop the clock.
    if (Number.isNaN(delayUs)) throw new Error("an event is planned for no time");
    const event = { atUs: this.nowUs + delayUs, order: this.order++, run };
    const { events } = this;
    let at = events.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isEarlier(event, events[parent]!)) break;
      events[at] = events[parent]!;
      at = parent;
    }
    events[at] = event;
  }

  /** Lets `durationUs` pass. */
  run(durationUs: number): void {
    const endUs = this.nowUs + durationUs;
    while (this.events.length > 0 && this.events[0]!.atUs <= endUs) {
      const event = this.pop();
      this.nowUs = event.atUs;
      event.run();
    }
    this.nowUs = endUs;
  }

  private pop() {
    const { events } = this;
    const first = events[0]!;
    const last = events.pop()!;
    if (events.length === 0) return first;
    let at = 0;
    for (let child = 1; child < events.length; child = 2 * at + 1) {
      if (child + 1 < events.length && isEarlier(events[child + 1]!, events[child]!)) child++;
      if (!isEarlier(events[child]!, last)) break;
      events[at] = events[child]!;
      at = child;
    }
    events[at] = last;
    return first;
  }
}

function isEarlier(one: { atUs: number; order: number }, other: { atUs: number; order: number }): boolean {
  return one.atUs < other.atUs || (one.atUs === other.atUs && one.order < other.order);
}
