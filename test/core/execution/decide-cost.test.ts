// What an event costs must not grow with the length of the run: the largest pipeline, each stage tried often, against
// a small one. Counted in what a decision looks at and not in time, so that a busy machine changes nothing.
import { expect, test } from "vitest";
import { Play, REJECTED, side } from "../rules/play.ts";

/** How many values one stage's last answer makes anew in the state, with so many tries made before. */
function fresh(tries: number): number {
  const stages = Array.from({ length: 64 }, (_, at) => side(`s${at}`, { retry_attempts: 100 }));
  const play = new Play(stages, {
    retry_delay_seconds: 0,
    max_concurrent_stages: 6,
    pipeline_timeout_seconds: 86_400,
  });
  for (let n = 0; n < tries; n += 1) play.fail("s0", REJECTED, 0).tick();
  const before = reachable(play.state);
  play.answer("s1");
  return [...reachable(play.state)].filter((value) => !before.has(value)).length;
}

/** Every object that a value holds, at any depth. */
function reachable(root: unknown): Set<object> {
  const seen = new Set<object>();
  const open: unknown[] = [root];
  for (let at = open.pop(); at !== undefined || open.length > 0; at = open.pop()) {
    if (at === null || typeof at !== "object" || seen.has(at)) continue;
    seen.add(at);
    open.push(...(at instanceof Map ? at.values() : Object.values(at)));
  }
  return seen;
}

test("a batch copies only what it changes, however long the log is", () => {
  const early = fresh(1);
  expect(early).toBeLessThan(40);
  expect(fresh(90)).toBe(early);
});

test("a batch has one event per change, for any number of waiting stages", () => {
  const stages = Array.from({ length: 64 }, (_, at) => side(`s${at}`));
  const play = new Play(stages, { max_concurrent_stages: 6 });
  expect(play.log).toHaveLength(7);
  play.answer("s3");
  expect(play.types.slice(7)).toEqual(["stage.completed", "stage.started"]);
});
