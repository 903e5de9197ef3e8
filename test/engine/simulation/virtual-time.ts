// A clock that only moves when nothing is left to do: timers in order of their time, microtasks drained between them.

interface Timer {
  at: number;
  order: number;
  /** Which life of the object set it; its timers die with it. Null for the world's own. */
  life: object | null;
  task: () => void;
}

export class VirtualTime {
  now: number;
  private timers: Timer[] = [];
  private order = 0;

  constructor(now: number) {
    this.now = now;
  }

  after(ms: number, task: () => void, life: object | null = null): () => void {
    // As a clock shows them: whole milliseconds.
    const timer = { at: this.now + Math.ceil(Math.max(0, ms)), order: (this.order += 1), life, task };
    this.timers.push(timer);
    return () => {
      const at = this.timers.indexOf(timer);
      if (at !== -1) this.timers.splice(at, 1);
    };
  }

  /** Everything that a life had set is gone with it. */
  forget(life: object): void {
    this.timers = this.timers.filter((timer) => timer.life !== life);
  }

  /** Runs the next timer and all that follows at once; false where there is none. */
  async step(): Promise<boolean> {
    let next: Timer | undefined;
    for (const timer of this.timers) {
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order))
        next = timer;
    }
    if (next === undefined) return false;
    this.timers.splice(this.timers.indexOf(next), 1);
    this.now = Math.max(this.now, next.at);
    next.task();
    await drained();
    return true;
  }
}

/** Resolves once no microtask is left. */
export async function drained(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}
