// A recorded run once more, with something changed: the scheduler's rules (src/contract/README.md section 2:
// definition order, exclusive stages alone, nothing overtakes an exclusive stage that waits) over the durations that
// were seen. Compared with the same run simulated unchanged, so that what the simulation leaves out (the
// coordinator's own time) falls away.
import type { MapShape, RunShape, StageShape } from "../report.ts";
import { mean } from "../sketch.ts";

/** How long a stage is at work: what its tries and the delays between them took. */
export function workOf(stage: StageShape): number {
  return stage.tries_ms.reduce((sum, ms) => sum + ms, stage.waits_ms);
}

/** The time from the run's start to the end of its last stage, in ms. */
export function simulate(run: RunShape): number {
  const waiting = run.stages.map((stage) => ({ stage, ready: Number.POSITIVE_INFINITY }));
  const running: { stage: StageShape; ends: number }[] = [];
  const ended = new Set<string>();
  let now = 0;
  while (waiting.length > 0 || running.length > 0) {
    for (const entry of waiting) {
      const isReady =
        entry.ready === Number.POSITIVE_INFINITY && entry.stage.depends_on.every((name) => ended.has(name));
      // What waits for its agent takes no place.
      if (isReady) entry.ready = now + (entry.stage.queue?.ms ?? 0);
    }
    for (;;) {
      const ready = waiting.filter((entry) => entry.ready <= now);
      const next = nextOf(ready, running, run.max_concurrent_stages);
      if (next === undefined) break;
      waiting.splice(waiting.indexOf(next), 1);
      running.push({ stage: next.stage, ends: now + workOf(next.stage) });
    }
    const queued = waiting.map(({ ready }) => ready).filter((at) => at > now);
    const next = Math.min(...running.map((call) => call.ends), ...queued);
    // A shape whose edges lead nowhere cannot go on; it was never a run.
    if (next === Number.POSITIVE_INFINITY) break;
    now = next;
    for (const call of running.filter(({ ends }) => ends === now)) {
      ended.add(call.stage.stage);
      running.splice(running.indexOf(call), 1);
    }
  }
  return now;
}

function nextOf(
  ready: readonly { stage: StageShape; ready: number }[],
  running: readonly { stage: StageShape }[],
  places: number,
) {
  const first = ready.find(
    (entry) => !ready.some((other) => !other.stage.parallel && other.ready < entry.ready),
  );
  if (first === undefined || running.length === 0) return first;
  const alone = running.some((call) => !call.stage.parallel);
  return first.stage.parallel && !alone && running.length < places ? first : undefined;
}

export type Change = (run: RunShape, at: number) => RunShape;

/** What the change would have saved a run, in ms on average; never less than 0. */
export function saving(runs: readonly RunShape[], change: Change): number {
  const saved = runs.map((run, at) => simulate(run) - simulate(change(run, at)));
  return Math.max(0, mean({ count: saved.length, sum: saved.reduce((sum, ms) => sum + ms, 0) }));
}

/** The run with some of its stages changed. */
export function changeStages(run: RunShape, change: (stage: StageShape) => Partial<StageShape>): RunShape {
  return { ...run, stages: run.stages.map((stage) => ({ ...stage, ...change(stage) })) };
}

/** The stage with as many of its items at a time: its time changes as that of its items does, taken in turns. */
export function withConcurrency(
  { map, tries_ms, waits_ms }: StageShape,
  concurrency: number,
): Partial<StageShape> {
  const before = map === undefined ? 0 : turnsOf(map, map.concurrency);
  if (map === undefined || before === 0) return {};
  return {
    ...faster({ tries_ms, waits_ms }, turnsOf(map, concurrency) / before),
    map: { ...map, concurrency },
  };
}

function faster({ tries_ms, waits_ms }: Pick<StageShape, "tries_ms" | "waits_ms">, factor: number) {
  return { tries_ms: tries_ms.map((ms) => ms * factor), waits_ms: waits_ms * factor };
}

/** The stage with its waits for its agent multiplied. */
export function withQueue({ queue }: StageShape, factor: number): Partial<StageShape> {
  return queue === undefined ? {} : { queue: { ...queue, ms: queue.ms * factor } };
}

/** The stage with more places at its agent, for which the items of one that maps wait for each other, too. */
export function withPlaces(stage: StageShape, from: number, to: number): Partial<StageShape> {
  const { map } = stage;
  const turns = (places: number) => (map === undefined ? 0 : turnsOf(map, Math.min(map.concurrency, places)));
  const before = turns(from);
  return { ...withQueue(stage, from / to), ...(before === 0 ? {} : faster(stage, turns(to) / before)) };
}

/** How long the items take, so many at a time: the next one begins when one ends. */
function turnsOf({ items, items_ms }: MapShape, concurrency: number): number {
  const ends = Array.from({ length: Math.max(1, Math.min(items, concurrency)) }, () => 0);
  for (let item = 0; item < items; item += 1) {
    const place = ends.indexOf(Math.min(...ends));
    ends[place] = (ends[place] ?? 0) + (items_ms[Math.floor((item * items_ms.length) / items)] ?? 0);
  }
  return Math.max(...ends);
}

/**
 * The runs with a result cache before the given stages: a question that was asked within the time to live is answered
 * at once. @param runs in the order in which they began
 */
export function withCache(runs: readonly RunShape[], only?: string): RunShape[] {
  const kept = new Map<string, number>();
  return runs.map((run) =>
    changeStages(run, (stage) => {
      if (stage.asked === "" || (only !== undefined && stage.stage !== only)) return {};
      const key = `${stage.stage} ${stage.asked}`;
      const since = kept.get(key);
      const hit = since !== undefined && run.started_at - since < run.cache_ttl_ms;
      if (!hit) kept.set(key, run.started_at);
      return hit ? { tries_ms: [0], waits_ms: 0, cached: true, ...withQueue(stage, 0) } : {};
    }),
  );
}

/** The sample that a stage's tries give: successful ones are the last of each stage. */
export function lastTries(runs: readonly RunShape[], name: string): number[] {
  return runs.flatMap((run) =>
    run.stages
      .filter((stage) => stage.stage === name && !stage.cached)
      .map((stage) => stage.tries_ms.at(-1) ?? 0),
  );
}

/** The value that a share `q` of them does not exceed; 0 of none. */
export function mostOf(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}
