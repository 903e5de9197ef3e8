// The guard: what it costs callers when what they ask hangs or fails, and how it finds out that it is back.
import { beforeEach, expect, test } from "vitest";
import { Guard, Guards, LOST } from "../../../src/adapters/platform/guard.ts";
import { drained, VirtualTime } from "../../engine/simulation/virtual-time.ts";

const LIMIT_MS = 100;

let time: VirtualTime;
let asked: number;
let answering: () => Promise<string>;
let changes: boolean[];

beforeEach(() => {
  time = new VirtualTime(1_000);
  asked = 0;
  answering = async () => "so";
  changes = [];
});

const hanging = () => new Promise<string>(() => {});
const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
const guardOf = () =>
  new Guard({ clock, limit_ms: LIMIT_MS, onChange: ({ isLost }) => void changes.push(isLost) });
const question = () => {
  asked += 1;
  return answering();
};

/** What the guard gives, and how long the caller waits for it. */
async function ask(guard: Guard, probe?: () => Promise<unknown>) {
  const began = time.now;
  let given: { value: string | typeof LOST; ms: number } | null = null;
  void guard.ask(question, probe).then((value) => {
    given = { value, ms: time.now - began };
  });
  for (;;) {
    await drained();
    if (given !== null) return given as { value: string | typeof LOST; ms: number };
    if (!(await time.step())) throw new Error("never answered");
  }
}

test("what hangs costs one caller its time limit, and the next ones nothing", async () => {
  const guard = guardOf();
  answering = hanging;
  expect(await ask(guard)).toEqual({ value: LOST, ms: LIMIT_MS });
  for (let at = 0; at < 5; at += 1) expect(await ask(guard)).toEqual({ value: LOST, ms: 0 });
  expect([asked, guard.isClosed, changes]).toEqual([1, true, [true]]);
});

test("what refuses at once is asked three times", async () => {
  const guard = guardOf();
  answering = () => Promise.reject(new Error("refused"));
  for (let at = 0; at < 5; at += 1) expect(await ask(guard)).toEqual({ value: LOST, ms: 0 });
  expect(asked).toBe(3);
});

test("failures with an answer between them do not add up", async () => {
  const guard = guardOf();
  for (let at = 0; at < 8; at += 1) {
    answering = at % 2 === 0 ? () => Promise.reject(new Error("refused")) : async () => "so";
    await ask(guard);
  }
  expect([asked, guard.isClosed]).toEqual([8, false]);
});

test("after 5 s one question goes out that no caller waits for; its answer opens the way", async () => {
  const guard = guardOf();
  answering = hanging;
  await ask(guard);
  time.now += 5_000;
  expect(await ask(guard)).toEqual({ value: LOST, ms: 0 });
  expect(await ask(guard)).toEqual({ value: LOST, ms: 0 });
  expect(asked).toBe(2);
  while (await time.step());
  answering = async () => "so";
  time.now += 5_000;
  expect(await ask(guard)).toEqual({ value: LOST, ms: 0 });
  await drained();
  expect(await ask(guard)).toEqual({ value: "so", ms: 0 });
  expect(changes).toEqual([true, false]);
});

test("a probe of its own is asked in its place", async () => {
  const guard = guardOf();
  answering = hanging;
  await ask(guard);
  time.now += 5_000;
  let probes = 0;
  await ask(guard, async () => void (probes += 1));
  await drained();
  expect([asked, probes, guard.isClosed]).toEqual([1, 1, false]);
});

test("of several, what hangs closes its own guard alone", async () => {
  const guards = new Guards(() => ({ clock, limit_ms: LIMIT_MS }));
  answering = hanging;
  await ask(guards.of("one"));
  expect([guards.of("one").isClosed, guards.of("two").isClosed]).toEqual([true, false]);
});
