// A clock whose timers share one of the platform's: each comes when it is due, in order, and the platform is asked as
// seldom as may be.
import { expect, test } from "vitest";
import { SharedTimer } from "../../../src/engine/run/shared-timer.ts";
import { VirtualTime } from "../simulation/virtual-time.ts";

function world() {
  const time = new VirtualTime(1_000);
  let set = 0;
  let under = 0;
  const clock = new SharedTimer({
    now: () => time.now,
    after: (ms, task) => {
      set += 1;
      under += 1;
      const stop = time.after(ms, () => {
        under -= 1;
        task();
      });
      let stopped = false;
      return () => {
        if (!stopped) under -= 1;
        stopped = true;
        stop();
      };
    },
  });
  const came: string[] = [];
  const note = (name: string) => () => came.push(`${name}@${time.now - 1_000}`);
  const pass = async () => {
    while (await time.step());
  };
  return { time, clock, came, note, pass, set: () => set, under: () => under };
}

test("timers come when they are due, those of one moment in the order in which they were set", async () => {
  const { clock, came, note, pass } = world();
  clock.after(30, note("late"));
  clock.after(10, note("soon"));
  clock.after(10, note("beside it"));
  clock.after(0, note("now"));
  await pass();
  expect(came).toEqual(["now@0", "soon@10", "beside it@10", "late@30"]);
});

test("one that is called off does not come, also from within another", async () => {
  const { clock, came, note, pass } = world();
  const off = clock.after(10, note("never"));
  clock.after(5, off);
  const beside = clock.after(20, note("never either"));
  clock.after(20, note("last"));
  clock.after(15, beside);
  await pass();
  expect(came).toEqual(["last@20"]);
});

test("a task may set the next one, at once or later", async () => {
  const { clock, came, note, pass } = world();
  clock.after(10, () => {
    note("first")();
    clock.after(0, note("at once"));
    clock.after(5, note("later"));
  });
  await pass();
  expect(came).toEqual(["first@10", "at once@10", "later@15"]);
});

test("the platform's timer is set again only for an earlier time, and not at all where nothing waits", async () => {
  const { clock, set, under } = world();
  const stops = [60_000, 60_000, 50, 60_000, 300_000].map((ms) => clock.after(ms, () => {}));
  expect(set()).toBe(2);
  expect(under()).toBe(1);
  for (const stop of stops) stop();
  expect(under()).toBe(0);
});

test("a task that fails keeps none of the others from coming", async () => {
  const { clock, came, note, time, pass } = world();
  clock.after(10, () => {
    throw new Error("a crash");
  });
  clock.after(10, note("beside it"));
  clock.after(20, note("later"));
  await expect(time.step()).rejects.toThrow("a crash");
  await pass();
  expect(came).toEqual(["beside it@10", "later@20"]);
});

test("a clock that is set back does not lengthen a wait", async () => {
  let back = 0;
  const { came, note, time, pass } = world();
  const clock = new SharedTimer({
    now: () => time.now - back,
    after: (ms, task) => time.after(ms, task),
  });
  clock.after(50, note("a try"));
  clock.after(10, note("a text"));
  back = 600_000;
  await pass();
  expect(came).toEqual(["a text@10", "a try@50"]);
  clock.after(30, note("one more"));
  back = 1_200_000;
  clock.after(20, note("before it"));
  await pass();
  expect(came.slice(2)).toEqual(["before it@70", "one more@80"]);
});

test("a part of a millisecond is a whole one, as it is to the platform", async () => {
  const { clock, came, note, pass, set } = world();
  clock.after(5.2, note("a text"));
  await pass();
  expect(came).toEqual(["a text@6"]);
  expect(set()).toBe(1);
});
