// A call and its hedge, on a virtual clock: when the second is made, which of them is heard, and what comes of both.
import { expect, test } from "vitest";
import type { Usage } from "../../../src/contract/stage.ts";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import { hedgedCall } from "../../../src/engine/call/hedged-call.ts";
import type { AgentHealth, AgentRequest, CallHooks } from "../../../src/engine/ports.ts";
import { drained, VirtualTime } from "../simulation/virtual-time.ts";

const FAILED: CallOutcome = { ok: false, failure: { kind: "rejected" } };
const AFTER_MS = 100;

interface Side {
  at: number;
  key: string;
  callback_url: string | null;
  hooks: CallHooks;
  end: (outcome: CallOutcome) => Promise<void>;
}

function hedged(mayHedge = true) {
  const time = new VirtualTime(0);
  const sides: Side[] = [];
  const heard: string[] = [];
  const used: Usage[] = [];
  const abort = new AbortController();
  const request = {
    idempotency_key: "key",
    callback_url: "https://c/1",
    tenant: "acme",
    registration: { url: "https://agents.example/a", protocol: "native" },
    call: { agent_type: "a" },
  } as unknown as AgentRequest;
  const agents = {
    call: (sent: AgentRequest, hooks: CallHooks) =>
      new Promise<CallOutcome>((resolve) => {
        const end = async (outcome: CallOutcome) => {
          resolve(outcome);
          await drained();
        };
        const { idempotency_key: key, callback_url } = sent;
        sides.push({ at: time.now, key, callback_url, hooks, end });
      }),
  };
  const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
  let outcome: CallOutcome | null = null;
  const hooks = {
    signal: abort.signal,
    alive: () => {},
    delta: (text: string) => void heard.push(text),
    progress: () => {},
    usage: (usage: Usage) => void used.push(usage),
    another: (task: () => Promise<void>) => void task(),
  };
  const health = { takeHedge: () => mayHedge } as unknown as AgentHealth;
  void hedgedCall({ agents, clock }, { health }, request, AFTER_MS, hooks as never).then((ended) => {
    outcome = ended;
  });
  return { time, sides, heard, used, abort, outcome: () => outcome };
}

const answer = (by: string): CallOutcome => ({ ok: true, answer: { data: { by } }, bytes: 1 });

test("a first call that stays silent is hedged once under a key of its own; the first answer wins", async () => {
  const { time, sides, outcome } = hedged();
  await time.step();
  expect(sides.map(({ at, key }) => [at, key])).toEqual([
    [0, "key"],
    [AFTER_MS, "key.hedge"],
  ]);
  await sides[1]?.end(answer("second"));
  expect(outcome()).toEqual(answer("second"));
  expect(sides[0]?.hooks.signal.aborted).toBe(true);
  await sides[0]?.end(answer("first"));
  expect(outcome()).toEqual(answer("second"));
});

test("the first to answer 202 wins, and both say the same place for the result", async () => {
  const { time, sides, outcome } = hedged();
  await time.step();
  expect(sides.map(({ callback_url }) => callback_url)).toEqual(["https://c/1", "https://c/1"]);
  await sides[1]?.end({ ok: "later" });
  expect(outcome()).toEqual({ ok: "later" });
  expect(sides[0]?.hooks.signal.aborted).toBe(true);
  await sides[0]?.end(answer("first"));
  expect(outcome()).toEqual({ ok: "later" });
});

test.each(["a byte", "an answer", "a failure"])(
  "%s before that, and there is no second call",
  async (what) => {
    const { time, sides } = hedged();
    if (what === "a byte") sides[0]?.hooks.alive();
    else await sides[0]?.end(what === "an answer" ? answer("first") : FAILED);
    await time.step();
    expect(sides).toHaveLength(1);
  },
);

test("where the share of hedges is used up there is no second call", async () => {
  const { time, sides } = hedged(false);
  await time.step();
  expect(sides).toHaveLength(1);
});

test("only the call that streams first is read, and the other is aborted", async () => {
  const { time, sides, heard, outcome } = hedged();
  await time.step();
  sides[1]?.hooks.delta("from the second");
  sides[0]?.hooks.delta("from the first");
  expect(heard).toEqual(["from the second"]);
  expect(sides[0]?.hooks.signal.aborted).toBe(true);
  await sides[0]?.end(FAILED);
  expect(outcome()).toBeNull();
  // Its failure is the outcome: what was streamed is its own.
  await sides[1]?.end(FAILED);
  expect(outcome()).toEqual(FAILED);
});

test("a failure is the outcome only when the other has failed, too", async () => {
  const { time, sides, outcome } = hedged();
  await time.step();
  await sides[0]?.end(FAILED);
  expect(outcome()).toBeNull();
  await sides[1]?.end(answer("second"));
  expect(outcome()).toEqual(answer("second"));
});

test("an abort ends both", async () => {
  const { time, sides, abort, outcome } = hedged();
  await time.step();
  abort.abort();
  await drained();
  expect(outcome()).toEqual(FAILED);
  expect(sides.map(({ hooks }) => hooks.signal.aborted)).toEqual([true, true]);
});

test("what both report to have used is the sum, and what the loser has used is in the outcome", async () => {
  const { time, sides, used, outcome } = hedged();
  await time.step();
  sides[0]?.hooks.usage?.({ output_tokens: 5, model: "m" });
  sides[1]?.hooks.usage?.({ output_tokens: 2, model: "m" });
  // All of one call, each time.
  sides[0]?.hooks.usage?.({ output_tokens: 6, model: "m" });
  expect(used.map((usage) => usage["output_tokens"])).toEqual([5, 7, 8]);
  await sides[1]?.end({ ok: true, answer: { data: {}, usage: { output_tokens: 9, model: "n" } }, bytes: 1 });
  expect(outcome()).toMatchObject({ ok: true, answer: { usage: { output_tokens: 15, model: "n" } } });
  sides[0]?.hooks.usage?.({ output_tokens: 60 });
  expect(used).toHaveLength(3);
});

test("where the one that wins says nothing in its answer, its last report counts beside the loser's", async () => {
  const { time, sides, outcome } = hedged();
  await time.step();
  sides[0]?.hooks.usage?.({ output_tokens: 5 });
  sides[1]?.hooks.usage?.({ output_tokens: 2 });
  await sides[1]?.end(answer("second"));
  expect(outcome()).toMatchObject({ answer: { data: { by: "second" }, usage: { output_tokens: 7 } } });
});

test("the usage of both that fail is the failure's", async () => {
  const { time, sides, outcome } = hedged();
  await time.step();
  sides[0]?.hooks.usage?.({ output_tokens: 5 });
  await sides[0]?.end(FAILED);
  await sides[1]?.end({ ...FAILED, usage: { output_tokens: 3 } });
  expect(outcome()).toEqual({ ...FAILED, usage: { output_tokens: 8 } });
});
