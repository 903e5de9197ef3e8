// The runs that are at a question now, as a shard of the cache remembers them. The first asks once, and makes its calls
// without a word; as soon as another comes, all of them ask for each stage, so that of equal calls one is made. Pure:
// the time comes in. What is lost with it are calls that are made twice.

/** Runs that are remembered; beyond, those that were noted first are forgotten. */
const MOST = 20_000;

interface Presence {
  /** When the run has ended at the latest, ms since the epoch. */
  until: number;
  /** It asks for each stage. */
  isSharing: boolean;
}

export class RunsAtQuestion {
  private readonly places = new Map<number, Map<string, Presence>>();
  private count = 0;

  /** A run that comes up again after a crash is noted again: it may have shared before, and be silent now. */
  note(place: number, execution_id: string, until: number, isSharing: boolean): void {
    const runs = this.places.get(place) ?? new Map<string, Presence>();
    if (!runs.has(execution_id)) this.count += 1;
    runs.set(execution_id, { until, isSharing });
    // The place that was noted last is the last to be forgotten.
    this.places.delete(place);
    this.places.set(place, runs);
    while (this.count > MOST) this.forgetFirst();
  }

  /** The other runs at the question. */
  others(place: number, execution_id: string, now: number): { execution_id: string; isSharing: boolean }[] {
    const runs = this.places.get(place);
    if (runs === undefined) return [];
    for (const [id, { until }] of runs) if (until <= now) this.over(place, id);
    return [...runs]
      .filter(([id]) => id !== execution_id)
      .map(([id, { isSharing }]) => ({ execution_id: id, isSharing }));
  }

  /** The run, if it is still known, asks for each stage from now on. */
  shares(place: number, execution_id: string): void {
    const known = this.places.get(place)?.get(execution_id);
    if (known !== undefined) known.isSharing = true;
  }

  /** The run is not at the question any more. */
  over(place: number, execution_id: string): void {
    const runs = this.places.get(place);
    if (runs?.delete(execution_id) !== true) return;
    this.count -= 1;
    if (runs.size === 0) this.places.delete(place);
  }

  private forgetFirst(): void {
    for (const [place, runs] of this.places) {
      for (const id of runs.keys()) return this.over(place, id);
    }
  }
}
