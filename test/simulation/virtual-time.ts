interface Due {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

/**
 * Time that passes only from one event to the next. All that waits for something outside the process waits here, so that
 * a seed decides the order of everything. Milliseconds since the epoch.
 */
export class VirtualTime {
  now: number;
  #order = 0;
  /** A binary heap; of two events at one time, the one that was asked for first comes first. */
  readonly #heap: Due[] = [];

  constructor(now: number) {
    this.now = now;
  }

  at(at: number, action: () => void): void {
    const heap = this.#heap;
    const due = { at: Math.max(at, this.now), order: this.#order++, action };
    let i = heap.push(due) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(due, heap[parent] as Due)) break;
      heap[i] = heap[parent] as Due;
      i = parent;
    }
    heap[i] = due;
  }

  /** Lets everything happen that is due until then, one event after another, each to its end. */
  async runUntil(end: number): Promise<void> {
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#take();
      this.now = next.at;
      next.action();
      await settled();
    }
    this.now = Math.max(this.now, end);
  }

  #take(): void {
    const heap = this.#heap;
    const last = heap.pop() as Due;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child++;
      if (!isBefore(heap[child] as Due, last)) break;
      heap[i] = heap[child] as Due;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Resolves when all that follows from the last event, in this process alone, has been done. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
