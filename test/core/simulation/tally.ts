// Tally: which faults fired, how often. A proof whose faults never happened proves nothing.

export class Tally {
  readonly faults = new Map<string, number>();
  readonly verbs = new Map<string, number>();
  /** What befell items and iterations. */
  readonly units = new Map<string, number>();
  readonly ends = new Map<string, number>();
  runs = 0;
  events = 0;
  total = 0;

  fault(kind: string): void {
    this.total += 1;
    add(this.faults, kind);
  }

  crash(during: string): void {
    this.fault(`crash in ${during}`);
  }

  verb(kind: string): void {
    add(this.verbs, kind);
  }

  unit(kind: string): void {
    add(this.units, kind);
  }

  end(status: string): void {
    add(this.ends, status);
  }

  toString(): string {
    const list = (counts: Map<string, number>) =>
      [...counts]
        .toSorted((a, b) => b[1] - a[1])
        .map(([kind, count]) => `${kind} ${count}`)
        .join(", ");
    return `${this.runs} runs, ${this.events} events, ${this.total} faults\n  ${list(this.faults)}\n  verbs: ${list(this.verbs)}\n  units: ${list(this.units)}\n  ends: ${list(this.ends)}`;
  }
}

function add(counts: Map<string, number>, kind: string): void {
  counts.set(kind, (counts.get(kind) ?? 0) + 1);
}
