// Fallbacks, refusals and cache hits in the pure core, against chance: verbs, crashes and outcomes in any order. What
// is begun is begun only while the run runs (I11), tries never exceed their number (I5), whatever was rescued once is
// not rescued again, a run ends (I1) with one terminal event (I8), and the log gives back the state.
import { assert as assertProperty, array, constantFrom, integer, property, record } from "fast-check";
import { expect, test } from "vitest";
import type { FallbackStrategy } from "../../../src/contract/stage.ts";
import type { AgentStage } from "../../../src/contract/stage.ts";
import type { CallOutcome, Command } from "../../../src/core/execution/command.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import { replay } from "../../../src/core/execution/evolve.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { nextActions } from "../../../src/core/execution/next-actions.ts";
import { type ExecutionState, isTerminal } from "../../../src/core/execution/state.ts";
import { viewExecution } from "../../../src/core/execution/view/view.ts";
import { same } from "../simulation/audit.ts";
import { makeSpec, makeStage } from "../simulation/spec.ts";

const OUTCOMES = {
  good: { ok: true, answer: { data: { good: 1 } }, bytes: 10 },
  cached: { ok: true, answer: { data: { old: 1 } }, bytes: 10, cached: true },
  away: { ok: false, failure: { kind: "rejected" } },
  spent: { ok: false, failure: { kind: "rejected" }, budget_wait_ms: 300 },
  refused: { ok: false, failure: { kind: "refused", agent_type: "a", retry_at: 0 } },
  wrong: {
    ok: false,
    failure: { kind: "status", status: 400, detail: null, retryable: null, retry_after_ms: null },
  },
  none: { ok: false, failure: { kind: "nothing_cached" } },
} as const satisfies Record<string, CallOutcome>;

const FALLBACKS: readonly (FallbackStrategy | undefined)[] = [
  undefined,
  "use_cached_results",
  "use_simple_model",
  { strategy: "use_default", data: { instead: 1 } },
];

const step = record({
  what: constantFrom(
    "answer",
    "answer",
    "answer",
    "answer",
    "tick",
    "pause",
    "abort",
    "resume",
    "resume",
    "crash",
  ),
  outcome: constantFrom(...(Object.keys(OUTCOMES) as (keyof typeof OUTCOMES)[])),
  ms: integer({ min: 0, max: 400 }),
  chance: integer({ min: 0, max: 9 }),
});
const stages = array(
  record({
    fallback: integer({ min: 0, max: 3 }),
    required: constantFrom(true, false),
    parallel: constantFrom(true, false),
    when: constantFrom(undefined, "results.nobody.x > 1"),
    tries: integer({ min: 1, max: 3 }),
  }),
  { minLength: 1, maxLength: 3 },
);

test("fallbacks keep every invariant, in any order of events", () => {
  const seen = new Map<string, number>();
  assertProperty(
    property(stages, array(step, { minLength: 5, maxLength: 40 }), (drawn, steps) => {
      const spec = makeSpec(
        drawn.map(({ fallback, required, parallel, when, tries }, at) =>
          makeStage(`s${at}`, {
            required,
            parallel,
            retry_attempts: tries,
            depends_on: at === 2 ? ["s0"] : [],
            ...(FALLBACKS[fallback] === undefined ? {} : { fallback: FALLBACKS[fallback] }),
            ...(when === undefined ? {} : { when }),
          }),
        ),
        { retry_delay_seconds: 0.1 },
      );
      let now = 1_764_000_000_000;
      let state: ExecutionState | null = null;
      const log: LogEvent[] = [];
      const submit = (command: Command) => {
        const before: ExecutionState | null = state;
        const decision = decide(before, command, now);
        state = decision.state as ExecutionState;
        log.push(...decision.events);
        for (const event of decision.events) seen.set(event.type, (seen.get(event.type) ?? 0) + 1);
        if (before !== null && before.status === "paused" && command.type !== "resume") {
          expect(decision.events.some((event) => event.type === "stage.started")).toBe(false);
        }
        expect(same(replay(JSON.parse(JSON.stringify(log)) as LogEvent[]), state)).toBeNull();
      };
      submit({ type: "start", spec });
      const answer = (outcome: keyof typeof OUTCOMES, chance: number) => {
        const [next] = nextActions(state as unknown as ExecutionState).invoke;
        if (next === undefined) return;
        seen.set(next.kind, (seen.get(next.kind) ?? 0) + 1);
        // Only a look for a result finds none, and it is never refused.
        const told = next.kind === "lookup" ? (outcome === "cached" ? "cached" : "none") : outcome;
        if (next.kind !== "lookup" && told === "none") return;
        submit({
          type: "answer",
          stage: next.stage,
          call: next.call,
          outcome: OUTCOMES[told],
          began_at: now,
          chance: chance / 10,
        });
      };
      for (const { what, outcome, ms, chance } of steps) {
        now += ms;
        if (what === "answer") answer(outcome, chance);
        else if (what === "tick") submit({ type: "tick" });
        else if (what === "pause") submit({ type: "pause", mode: "drain" });
        else if (what === "abort") submit({ type: "pause", mode: "abort" });
        else if (what === "resume") submit({ type: "resume" });
        else submit({ type: "recover" });
      }
      const end = () => state as unknown as ExecutionState;
      for (let left = 0; left < 60 && !isTerminal(end().status); left += 1) {
        if (end().status === "paused") submit({ type: "resume" });
        now += 200;
        submit({ type: "tick" });
        answer("away", 5);
      }
      expect(isTerminal(end().status)).toBe(true);
      expect(
        log.filter((event) => event.type.startsWith("execution.") && isTerminal(event.status as never))
          .length,
      ).toBe(1);
      const rescues = log.filter((event) => event.type === "stage.fallback").map((event) => event.stage);
      expect(new Set(rescues).size).toBe(rescues.length);
      for (const [name, result] of Object.entries(viewExecution(end()).stage_results)) {
        const { retry_attempts } = spec.stages[Number(name.slice(1))] as AgentStage;
        expect(result.attempts).toBeLessThanOrEqual(retry_attempts);
        expect(result.attempts).toBeGreaterThanOrEqual(0);
        if (result.status === "completed") expect(result.data).not.toBeNull();
        if (result.fallback !== null) expect(rescues).toContain(name);
      }
    }),
    { numRuns: 3_000, seed: 11 },
  );
  for (const kind of [
    "call",
    "fallback",
    "lookup",
    "stage.fallback",
    "stage.completed",
    "execution.recovered",
  ]) {
    expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(200);
  }
});

test("a refusal and a hit are not tries and not agent time; a fallback's call is not a try", () => {
  const spec = makeSpec([makeStage("a", { fallback: "use_simple_model" })]);
  let { state } = decide(null, { type: "start", spec }, 1_000);
  const invoke = () => nextActions(state as ExecutionState).invoke[0] as { call: number; kind: string };
  const answer = (outcome: CallOutcome, began_at: number, now: number) => {
    const command = {
      type: "answer" as const,
      stage: "a",
      call: invoke().call,
      outcome,
      began_at,
      chance: 0,
    };
    ({ state } = decide(state, command, now));
  };
  answer(OUTCOMES.refused, 1_000, 1_050);
  expect(invoke().kind).toBe("fallback");
  answer(OUTCOMES.good, 1_060, 1_150);
  const view = viewExecution(state as ExecutionState);
  expect(view.stage_results["a"]).toMatchObject({ status: "completed", attempts: 0 });
  expect(view.performance_metrics).toMatchObject({ stage_ms: { a: 90 }, retries: 0, overhead_ms: 60 });
});
