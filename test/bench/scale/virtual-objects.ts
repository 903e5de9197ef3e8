// A platform of which only the load is real: virtual time, and Durable Objects that answer at once and note by which
// calls each was reached and when. The coordinator's own clients run against it.
import type { Clock } from "../../../src/engine/ports.ts";

type Task = () => void | Promise<void>;

/** Tasks in the order of their times; those of the same time in the order in which they were set. */
export class VirtualClock implements Clock {
  private at = 0;
  private order = 0;
  private readonly heap: { at: number; order: number; task: Task | null }[] = [];

  /** Milliseconds since the beginning. */
  now(): number {
    return this.at;
  }

  after(ms: number, task: Task): () => void {
    const entry: { at: number; order: number; task: Task | null } = {
      at: this.at + ms,
      order: this.order,
      task,
    };
    this.order += 1;
    this.push(entry);
    return () => {
      entry.task = null;
    };
  }

  async runUntil(until: number): Promise<void> {
    for (let next = this.heap[0]; next !== undefined && next.at < until; next = this.heap[0]) {
      this.pop();
      this.at = next.at;
      await next.task?.();
    }
    this.at = until;
  }

  private push(entry: (typeof this.heap)[number]): void {
    const { heap } = this;
    let place = heap.length;
    heap.push(entry);
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!isBefore(entry, heap[above])) break;
      heap[place] = heap[above] as typeof entry;
      place = above;
    }
    heap[place] = entry;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (isBefore(heap[child + 1], heap[child])) child += 1;
      const below = heap[child] as typeof last;
      if (!isBefore(below, last)) break;
      heap[place] = below;
      place = child;
    }
    heap[place] = last;
  }
}

interface Placed {
  at: number;
  order: number;
}

function isBefore(a: Placed | undefined, b: Placed | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** The requests that an object got in each second. */
type Seconds = Map<number, number>;

export class ObjectLoad {
  private readonly clock: VirtualClock;
  /** Requests before this time are not noted, ms. */
  private readonly from: number;
  private readonly kinds = new Map<string, Map<string, Seconds>>();

  constructor(clock: VirtualClock, from: number) {
    this.clock = clock;
    this.from = from;
  }

  /** A namespace whose objects answer a call with what `answer` gives for it. */
  namespace(
    kind: string,
    answer: (method: string, name: string, args: readonly unknown[]) => unknown,
  ): DurableObjectNamespace {
    const stubs = new Map<string, object>();
    const stubOf = (name: string) =>
      new Proxy(
        {},
        {
          get: (_, method) => {
            if (typeof method !== "string" || method === "then") return undefined;
            return (...args: unknown[]) => {
              this.note(kind, name);
              return Promise.resolve(answer(method, name, args));
            };
          },
        },
      );
    const get = (name: string) => {
      const known = stubs.get(name);
      if (known !== undefined) return known;
      const made = stubOf(name);
      stubs.set(name, made);
      return made;
    };
    return { idFromName: (name: string) => name, get } as unknown as DurableObjectNamespace;
  }

  /** A request of an object. */
  note(kind: string, name: string): void {
    const now = this.clock.now();
    if (now < this.from) return;
    const objects = this.kinds.get(kind) ?? new Map<string, Seconds>();
    this.kinds.set(kind, objects);
    const seconds = objects.get(name) ?? new Map<number, number>();
    objects.set(name, seconds);
    const second = Math.floor((now - this.from) / 1_000);
    seconds.set(second, (seconds.get(second) ?? 0) + 1);
  }

  /** Of each kind: its objects, requests a second of all of them, and of the hottest one the 99th percentile. */
  report(seconds: number): { kind: string; objects: number; all: number; hottest: number; share: number }[] {
    return Array.from(this.kinds, ([kind, objects]) => {
      const totals = Array.from(objects.values(), (of) => sum(of.values()));
      const all = sum(totals);
      const hottest = Math.max(
        ...Array.from(objects.values(), (of) =>
          percentile99(Array.from({ length: seconds }, (_, at) => of.get(at) ?? 0)),
        ),
      );
      return { kind, objects: objects.size, all: all / seconds, hottest, share: Math.max(...totals) / all };
    });
  }
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function percentile99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(0.99 * sorted.length) - 1)] ?? 0;
}
