// What a call's outcome means for its agent's breaker (src/contract/README.md sections 2 and 12).
import { expect, test } from "vitest";
import type { CallFailure } from "../../../src/core/resilience/classify.ts";
import type { CallVerdict } from "../../../src/core/resilience/breaker.ts";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import { guardedCall } from "../../../src/engine/call/guarded-call.ts";
import type { AgentHealth, AgentRequest } from "../../../src/engine/ports.ts";
import { ok, Play, stage, status } from "../../core/rules/play.ts";

/** What the breaker was told of a call, and whether the agent's retry budget was asked. */
async function verdictOn(outcome: CallOutcome, signal = new AbortController().signal) {
  let verdict: CallVerdict | null = null;
  let isPlaced = false;
  const health: AgentHealth = {
    admit: () => ({ admit: "call" }),
    report: (_agent, seen) => {
      verdict = seen;
    },
    refresh: () => {},
    hold: () => {},
    heldUntil: () => null,
    takeTurn: () => {},
    placeRetry: () => {
      isPlaced = true;
      return 0;
    },
    takeHedge: () => true,
  };
  const { state } = new Play([stage("one")]);
  const call = { stage: "one", agent_type: "agent_one", attempt: 1, timeout_ms: 1_000 };
  const request = { tenant: "local", registration: null, call } as unknown as AgentRequest;
  const ports = { shared: { health } };
  await guardedCall(ports, state, "one", request, signal, () => Promise.resolve(outcome));
  return { verdict, isPlaced };
}

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
