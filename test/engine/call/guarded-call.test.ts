// What a call's outcome means for its agent's breaker (src/contract/README.md sections 2 and 12).
import { expect, test } from "vitest";
import type { CallFailure } from "../../../src/core/resilience/classify.ts";
import type { CallVerdict } from "../../../src/core/resilience/breaker.ts";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import { guardedCall } from "../../../src/engine/call/guarded-call.ts";
import type { AgentHealth, AgentRequest, RunSpending } from "../../../src/engine/ports.ts";
import { ok, Play, stage, status } from "../../core/rules/play.ts";

interface Seen {
  verdict: CallVerdict | null;
  isPlaced: boolean;
  held_ms: number | null;
  isCalled: boolean;
  outcome: CallOutcome;
}

/** One call, and what its agent's health was given of it. */
async function seenOf(outcome: CallOutcome, own: Partial<AgentHealth> = {}, signal = NEVER): Promise<Seen> {
  let verdict: CallVerdict | null = null;
  let isPlaced = false;
  let held_ms: number | null = null;
  let isCalled = false;
  const health: AgentHealth = {
    admit: () => ({ admit: "call" }),
    report: (_agent, seen) => {
      verdict = seen;
    },
    refresh: () => {},
    hold: (_agent, ms) => {
      held_ms = ms;
    },
    heldUntil: () => null,
    takeTurn: () => {},
    placeRetry: () => {
      isPlaced = true;
      return 0;
    },
    takeHedge: () => true,
    ...own,
  };
  const { state } = new Play([stage("one")]);
  const call = { stage: "one", agent_type: "agent_one", attempt: 1, timeout_ms: 1_000 };
  const request = { tenant: "local", registration: null, call } as unknown as AgentRequest;
  const ports = { shared: { health } };
  const ended = await guardedCall(ports, state, "one", request, signal, () => {
    isCalled = true;
    return Promise.resolve(outcome);
  });
  return { verdict, isPlaced, held_ms, isCalled, outcome: ended };
}

/** The verdict that the breaker got of a call, and whether the agent's retry budget was asked. */
async function verdictOn(outcome: CallOutcome, signal = NEVER) {
  const { verdict, isPlaced } = await seenOf(outcome, {}, signal);
  return { verdict, isPlaced };
}

const NEVER = new AbortController().signal;

const failed = (failure: CallFailure): CallOutcome => ({ ok: false, failure });

test("a failure that may pass counts, and an answer", async () => {
  expect(await verdictOn(failed(status(503)))).toEqual({ verdict: "failure", isPlaced: true });
  expect(await verdictOn(failed(status(429)))).toEqual({ verdict: "failure", isPlaced: true });
  expect(await verdictOn(ok())).toEqual({ verdict: "success", isPlaced: false });
});

test("what the agent says of this request alone does not", async () => {
  expect(await verdictOn(failed(status(404)))).toEqual({ verdict: "void", isPlaced: false });
});

test("a call that was aborted does not", async () => {
  expect(await verdictOn(failed(status(503)), AbortSignal.abort())).toMatchObject({ verdict: "void" });
});

test("429 and 503 that say when to come again are load, and no outage", async () => {
  for (const code of [429, 503]) {
    const said = failed(status(code, { retry_after_ms: 2_000 }));
    expect(await verdictOn(said), String(code)).toEqual({ verdict: "void", isPlaced: false });
  }
  // Only these two have a meaning for it.
  expect(await verdictOn(failed(status(500, { retry_after_ms: 2_000 })))).toMatchObject({
    verdict: "failure",
  });
});

test("what says when to come again holds the agent's calls back", async () => {
  for (const code of [429, 503]) {
    expect((await seenOf(failed(status(code, { retry_after_ms: 2_000 })))).held_ms).toBe(2_000);
    expect((await seenOf(failed(status(code)))).held_ms).toBeNull();
    expect((await seenOf(failed(status(code, { retry_after_ms: 0 })))).held_ms).toBeNull();
  }
  expect((await seenOf(failed(status(500, { retry_after_ms: 2_000 })))).held_ms).toBeNull();
});

test("a call that has begun is not sent where its agent holds calls back, unless it is the probe", async () => {
  const until = 1_764_000_002_000;
  const held = { heldUntil: () => until };
  const unsent = await seenOf(ok(), held);
  expect(unsent).toMatchObject({
    isCalled: false,
    outcome: { ok: "queued", reason: "retry_after", until },
    verdict: null,
  });
  const probe = await seenOf(ok(), { ...held, admit: () => ({ admit: "probe", id: 1 }) });
  expect(probe).toMatchObject({ isCalled: true, verdict: "success" });
});

test("past a budget nothing is called, and no probe of a breaker is used up", async () => {
  const { state } = new Play([stage("one")]);
  const spent = {
    scope: "tenant",
    spent_usd: 2,
    limit_usd: 1,
    window_seconds: 60,
    retry_after_seconds: 5,
  };
  const called: string[] = [];
  const spending: RunSpending = { check: () => spent, spent: () => {}, rests: () => {} };
  const health = {
    admit: () => called.push("breaker"),
    heldUntil: () => null,
    report: () => {},
  } as unknown as AgentHealth;
  const call = { stage: "one", agent_type: "agent_one", attempt: 1, timeout_ms: 1_000 };
  const request = { tenant: "local", registration: null, call } as unknown as AgentRequest;
  const outcome = await guardedCall(
    { shared: { health, spending } },
    state,
    "one",
    request,
    new AbortController().signal,
    async () => {
      called.push("agent");
      return ok();
    },
  );
  expect(outcome).toEqual({
    ok: "overspent",
    scope: "tenant",
    spent_usd: 2,
    limit_usd: 1,
  });
  expect(called).toEqual([]);
});
