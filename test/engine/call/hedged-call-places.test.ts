// The second call to an agent with limits: it takes a place of its own, waits for none, and gives it back.
import { expect, test } from "vitest";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import { hedgedCall } from "../../../src/engine/call/hedged-call.ts";
import type { AgentHealth, AgentPlaces, AgentRequest, PlaceAsk } from "../../../src/engine/ports.ts";
import { drained, VirtualTime } from "../simulation/virtual-time.ts";

const ANSWER: CallOutcome = { ok: true, answer: { data: {} }, bytes: 2 };

/** A first call that stays silent. @param isFree there is a place for the second */
async function silent(isFree: boolean, mayHedge = true) {
  const time = new VirtualTime(0);
  const asks: PlaceAsk[] = [];
  const sent: ((outcome: CallOutcome) => void)[] = [];
  let taken = 0;
  const places: AgentPlaces = {
    take: async (ask) => {
      asks.push(ask);
      if (!isFree) return { kind: "full", reason: "concurrency" };
      taken += 1;
      return { kind: "place", place: { release: () => (taken -= 1) } };
    },
    turn: () => Promise.reject(new Error("a second call waits for no turn")),
  };
  const request = {
    idempotency_key: "ex_1.one",
    tenant: "acme",
    registration: { url: "https://a.test", protocol: "native", limits: { concurrency: 2 } },
    call: { agent_type: "a", conversation_id: "c1", timeout_ms: 5_000 },
  } as unknown as AgentRequest;
  const agents = { call: () => new Promise<CallOutcome>((resolve) => sent.push(resolve)) };
  const hooks = {
    signal: new AbortController().signal,
    alive: () => {},
    another: (task: () => Promise<void>) => void task(),
  };
  const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
  const health = { takeHedge: () => mayHedge } as unknown as AgentHealth;
  void hedgedCall({ agents, clock }, { health, places }, request, 100, hooks as never);
  await time.step();
  return { asks, sent, taken: () => taken };
}

test("is made where there is a place at once, which it gives back at its end", async () => {
  const { asks, sent, taken } = await silent(true);
  expect(asks).toMatchObject([{ holder: "ex_1.one.hedge", conversation_id: "c1", may_wait: false }]);
  expect(asks[0]?.lease_ms).toBeGreaterThanOrEqual(5_000);
  expect(sent).toHaveLength(2);
  expect(taken()).toBe(1);
  sent[1]?.(ANSWER);
  await drained();
  expect(taken()).toBe(0);
});

test("is not made where there is none", async () => {
  expect((await silent(false)).sent).toHaveLength(1);
});

test("gives its place back where the share of hedges is used up", async () => {
  const { sent, taken } = await silent(true, false);
  expect(sent).toHaveLength(1);
  expect(taken()).toBe(0);
});
