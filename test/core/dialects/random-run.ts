// A random run of up to three stages, as its readers get it: tries, calls that are repeated, text that is cut back,
// readers who come late, and streams that are taken up again with the text so far.
import * as fc from "fast-check";
import type { StreamEvent } from "../../../src/core/dialects/answer-fold.ts";

/** What happens next: `kind` to the stage at `at`, with a text of `text`, of which `cut` is kept. */
interface Step {
  at: number;
  kind: "start" | "write" | "cut" | "retry" | "end" | "fail" | "cancel" | "fallback" | "join" | "late";
  text: string;
  cut: number;
}

export interface RunScript {
  /** Where the last stage depends on the others, they are not the answer. */
  stages: number;
  isJoined: boolean;
  /** The reader comes behind so many events. */
  joins: number;
  steps: Step[];
}

/** Of few letters, so that tries often repeat each other. */
const piece = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 4 });

const step: fc.Arbitrary<Step> = fc.record({
  at: fc.nat(2),
  kind: fc.oneof(
    { weight: 5, arbitrary: fc.constant("start" as const) },
    { weight: 16, arbitrary: fc.constant("write" as const) },
    { weight: 9, arbitrary: fc.constantFrom("cut", "retry", "join", "late" as const) },
    { weight: 2, arbitrary: fc.constantFrom("end", "fail", "cancel", "fallback" as const) },
  ),
  text: piece,
  cut: fc.nat(6),
});

export const runScript: fc.Arbitrary<RunScript> = fc.record({
  stages: fc.integer({ min: 1, max: 3 }),
  isJoined: fc.boolean(),
  joins: fc.oneof(fc.constant(0), fc.nat(20)),
  steps: fc.array(step, { minLength: 2, maxLength: 40, size: "max" }),
});

interface Stage {
  name: string;
  phase: "pending" | "running" | "retrying" | "ended";
  attempt: number;
  text: string;
}

export const NAMES = ["s0", "s1", "s2"] as const;

/** The stages of a script by what they depend on. */
export function shapeOf({ stages, isJoined }: RunScript): { name: string; depends_on: string[] }[] {
  const names = NAMES.slice(0, stages);
  return names.map((name, at) => ({
    name,
    depends_on: isJoined && at === stages - 1 ? names.slice(0, at) : [],
  }));
}

/** The events that the script's reader gets. */
export function eventsOf(script: RunScript): StreamEvent[] {
  return stepsOf(script).flat();
}

/** The same, by what happens: the run's start, each step, the run's end. A reader who joins is sent the log first. */
export function stepsOf(script: RunScript): StreamEvent[][] {
  const shape = shapeOf(script);
  const stages = shape.map(({ name }): Stage => ({ name, phase: "pending", attempt: 0, text: "" }));
  const steps: object[][] = [[]];
  const timestamp = "2026-01-01T00:00:00.000Z";
  let seq = 0;
  let happened = 0;
  let isThere = script.joins === 0;
  const logged = (type: string, more: object) => {
    seq += 1;
    steps.at(-1)?.push({ execution_id: "e", seq, timestamp, type, message: type, data: {}, ...more });
  };
  const delta = ({ name, attempt }: Stage, partial_answer: string, offset: number) => {
    const data = { partial_answer, offset };
    steps
      .at(-1)
      ?.push({ execution_id: "e", type: "stage.delta", stage: name, attempt, status: "running", data });
  };
  const take = (stage: Stage, { kind, text, cut }: Step) => {
    const { name, attempt } = stage;
    switch (kind) {
      case "start":
        if (stage.phase === "ended") return;
        // A call that a crash interrupted is repeated under the same number.
        stage.attempt = stage.phase === "running" && cut % 2 === 0 ? attempt : attempt + 1;
        stage.phase = "running";
        stage.text = "";
        logged("stage.started", { stage: name, attempt: stage.attempt, status: "running" });
        return;
      case "write":
      case "cut": {
        if (stage.phase !== "running") return;
        const offset = kind === "write" ? stage.text.length : Math.min(cut, stage.text.length);
        stage.text = stage.text.slice(0, offset) + text;
        if (isThere) delta(stage, text, offset);
        return;
      }
      case "retry":
        if (stage.phase !== "running") return;
        stage.phase = "retrying";
        logged("stage.retrying", {
          stage: name,
          attempt,
          status: "running",
          data: { error: { message: "no" }, delay_ms: 1, next_attempt: attempt + 1 },
        });
        return;
      case "fallback":
        if (stage.phase !== "running") return;
        logged("stage.fallback", {
          stage: name,
          attempt,
          status: "running",
          data: { strategy: "s", reason: "r" },
        });
        return;
      case "end":
      case "fail": {
        if (stage.phase !== "running") return;
        stage.phase = "ended";
        const isDone = kind === "end";
        // Mostly what was said, at times with more behind it, or something else.
        const answer = cut === 6 ? text : stage.text + (cut === 5 ? text : "");
        // A reader who was away is sent what was said before the event that ends it.
        if (!isThere && isDone && stage.text !== "") delta(stage, stage.text, 0);
        logged(isDone ? "stage.completed" : "stage.failed", {
          stage: name,
          attempt,
          status: isDone ? "completed" : "failed",
          data: {
            status: isDone ? "completed" : "failed",
            attempts: attempt,
            data: isDone ? { answer } : null,
            error: isDone ? null : { message: "no" },
            fallback: null,
            duration_ms: 1,
          },
        });
        return;
      }
      case "cancel":
        if (stage.phase === "ended") return;
        stage.phase = "ended";
        logged("stage.cancelled", { stage: name, attempt, status: "cancelled" });
        return;
      case "join":
        // Another instance has the execution now, or another stream: it begins with the text so far.
        if (isThere && stage.phase === "running") delta(stage, stage.text, 0);
        return;
      case "late":
        // Deltas are not numbered: one of a try that is over may still come.
        if (isThere && attempt > 1) delta({ ...stage, attempt: attempt - 1 }, text, cut);
    }
  };

  logged("execution.started", {
    status: "running",
    data: { query: "q", conversation_id: "c", pipeline: "p", pipeline_version: 1, stages: shape },
  });
  for (const next of script.steps) {
    steps.push([]);
    const stage = stages[next.at % stages.length] as Stage;
    take(stage, next);
    happened += 1;
    if (!isThere && happened >= script.joins) {
      isThere = true;
      for (const running of stages) if (running.phase === "running") delta(running, running.text, 0);
    }
  }
  steps.push([]);
  for (const stage of stages) take(stage, { at: 0, kind: "cancel", text: "", cut: 0 });
  logged("execution.cancelled", {
    status: "cancelled",
    data: {
      execution_id: "e",
      conversation_id: "c",
      status: "cancelled",
      start_time: timestamp,
      end_time: timestamp,
      duration_ms: 1,
      stage_results: {},
      final_stages: [],
      usage: {},
      final_result: null,
      error_info: null,
    },
  });
  return steps as StreamEvent[][];
}
