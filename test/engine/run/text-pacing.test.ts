// When readers are notified of new text: at once after a silence, together where texts follow closely, and less often
// the more readers there are.
import { expect, test } from "vitest";
import { TIMINGS } from "../../../src/core/timings.ts";
import { TextPacing } from "../../../src/engine/run/text-pacing.ts";
import { VirtualTime } from "../simulation/virtual-time.ts";

function paced(readers: number) {
  const time = new VirtualTime(1_000_000);
  const notified: number[] = [];
  const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
  const pacing = new TextPacing(
    clock,
    () => readers,
    () => notified.push(time.now),
  );
  return { time, notified, pacing };
}

test.each([
  [1, TIMINGS.TEXT_GAP_LEAST_MS],
  [200, 200 * TIMINGS.TEXT_GAP_MS],
])("%i readers: the first text at once, those that follow together after %d ms", async (readers, gap_ms) => {
  const { time, notified, pacing } = paced(readers);
  const began = time.now;
  for (const _ of [1, 2, 3]) pacing.arrived();
  expect(notified).toEqual([began]);
  while (await time.step());
  expect(notified).toEqual([began, began + gap_ms]);
  time.now += gap_ms;
  pacing.arrived();
  expect(notified).toHaveLength(3);
});

test("a clock that was set back delays a text by one interval at most", async () => {
  const { time, notified, pacing } = paced(1);
  pacing.arrived();
  time.now -= 60_000;
  const back = time.now;
  pacing.arrived();
  await time.step();
  expect(notified.at(-1)).toBe(back + TIMINGS.TEXT_GAP_LEAST_MS);
});
