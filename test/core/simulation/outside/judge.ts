// What an answer from outside must lead to, judged by what the observer knew before it came; and at the end, whether every
// answer that was acknowledged is the one that its stage has (I17).
import type { Refusal } from "../../../../src/core/execution/command.ts";
import type { LogEvent } from "../../../../src/core/execution/log-event.ts";
import type { ExecutionState, OutsideAnswer } from "../../../../src/core/execution/state.ts";
import { viewExecution } from "../../../../src/core/execution/view/view.ts";
import { fnv1a } from "../../../../src/core/hash.ts";
import { overdue } from "../audit.ts";
import { type Judge, judgeOutcome } from "../judge.ts";
import { hold } from "../observed/hold.ts";
import { awaitsCallback, type Observed } from "../observed/stage.ts";
import type { World } from "../world.ts";
import type { OutsideCommand } from "./outsiders.ts";

type Signal = Extract<OutsideCommand, { type: "signal" }>;
type Callback = Extract<OutsideCommand, { type: "callback" }>;
type Heartbeat = Extract<OutsideCommand, { type: "heartbeat" }>;

export function judgeOutside(world: World, command: OutsideCommand): Judge {
  switch (command.type) {
    case "signal":
      return judgeSignal(world, command);
    case "callback":
      return judgeCallback(world, command);
    case "heartbeat":
      return judgeHeartbeat(world, command);
  }
}

/** Whether the run takes nothing more at this time, or the stage no answer. */
function circumstances(world: World, seen: Observed) {
  const { observer } = world;
  const now = Math.max(world.clock(), observer.time);
  const expiring = observer.expiring(now);
  return {
    isOver: observer.terminal !== null || overdue(observer, world, now) !== null,
    isTooLate: expiring.includes(seen),
    // What another stage's end makes of the run is not foreseen here.
    isUnforeseen: expiring.length > 0 && !expiring.includes(seen),
  };
}

/** Only what the schema of the scenarios says. */
function mismatches({ question }: Observed, answer: OutsideAnswer): boolean {
  return answer.ok && question?.schema !== undefined && typeof answer.data["approved"] !== "boolean";
}

function judgeSignal(world: World, { stage, wait, answer, by }: Signal): Judge {
  const { observer, outsiders, tally } = world;
  const seen = observer.of(stage);
  const { phase, outside, question } = seen;
  const { answered, seq } = outside;
  const { isOver, isTooLate, isUnforeseen } = circumstances(world, seen);
  const said = JSON.stringify(answer);
  const limit = Math.floor(world.scenario.spec.config.memory_limit_mb * 1_048_576);
  const bytes = answer.ok ? Buffer.byteLength(JSON.stringify(answer.data)) : 0;
  const fits = observer.bytes + bytes <= limit;
  return (events, refusal) => {
    const refused = (reason: Refusal["reason"], why: string) => {
      hold("I17", refusal?.reason === reason, () => {
        return `the answer to ${stage} (${why}) led to ${refusal?.reason ?? "its being taken"}`;
      });
      tally.fault(`answer: ${why}`);
    };
    if (question === null) return refused("unanswerable", "to an agent's stage");
    if (answered && outsiders.taken.get(stage) === said) return refused("repeated", "the same again");
    if (answered) return refused("unanswerable", "another one");
    if (isTooLate) return refused("unanswerable", "at expires_at or later");
    if (isOver || phase === "ended") return refused("unanswerable", "too late");
    if (isUnforeseen) {
      if (refusal === null) outsiders.taken.set(stage, said);
      return;
    }
    const asks = phase === "waiting";
    if (wait !== null && (!asks || wait !== seq)) return refused("unanswerable", "to another question");
    if (mismatches(seen, answer)) {
      hold("I17", events.length === 0, () => `an answer that does not fit changed ${stage}`);
      return refused("mismatch", "not as the schema says");
    }
    if (!fits) return refused("unanswerable", "too large");
    hold("I17", refusal === null, () => `a good answer to ${stage} was refused: ${JSON.stringify(refusal)}`);
    outsiders.taken.set(stage, said);
    const first = events[0];
    hold("I17", first?.stage === stage, () => `the answer to ${stage} was dropped`);
    if (!asks) {
      hold("I17", first?.type === "stage.signalled", () => `an early answer led to ${first?.type}`);
      tally.fault("answer: early");
      return;
    }
    tally.verb(answer.ok ? "complete" : "fail");
    if (!answer.ok) {
      const failed = first?.type === "stage.failed" || first?.type === "stage.fallback";
      hold("I17", failed, () => `a refusal led to ${first?.type}`);
      return;
    }
    const result = first?.type === "stage.completed" ? first.data : null;
    const given = JSON.stringify([result?.data, result?.answered_by]);
    hold("I17", given === JSON.stringify([answer.data, by]), () => `the answer to ${stage} became ${given}`);
  };
}

function judgeCallback(world: World, { stage, call, outcome }: Callback): Judge {
  const { observer, outsiders, tally } = world;
  const seen = observer.called(stage);
  const { phase, outside } = seen;
  const { isOver, isTooLate, isUnforeseen } = circumstances(world, seen);
  const handed = phase === "waiting" && outside.reason === "callback";
  const awaited = awaitsCallback(seen, call);
  const answered = outside.called.has(call);
  const key = `${stage} ${call}`;
  const said = JSON.stringify(outcome.ok ? outcome.answer : outcome.failure);
  const chance = fnv1a(`${world.scenario.spec.execution_id}.${observer.seq}`) / 2 ** 32;
  const judge = judgeOutcome(world, seen, outcome, chance);
  return (events, refusal) => {
    const refused = (reason: Refusal["reason"], why: string) => {
      hold(
        "I17",
        refusal?.reason === reason,
        () => `the callback of ${key} (${why}) led to ${refusal?.reason}`,
      );
      tally.fault(`callback: ${why}`);
    };
    if (answered && outsiders.taken.get(key) === said) return refused("repeated", "the same again");
    if (answered) return refused("unanswerable", "another one");
    if (isTooLate && awaited) return refused("unanswerable", "at expires_at or later");
    if (isOver || !awaited) return refused("unanswerable", "of a try that has ended");
    if (refusal === null) outsiders.taken.set(key, said);
    if (isUnforeseen) return;
    hold("I17", refusal === null, () => `the callback of ${key} was refused: ${JSON.stringify(refusal)}`);
    if (call !== seen.call) tally.fault("callback: to a call that a crash repeated");
    else if (!handed) tally.fault("callback: before the 202");
    else tally.verb(outcome.ok ? "callback" : "failed callback");
    judge(events);
  };
}

function judgeHeartbeat(world: World, { stage, call }: Heartbeat): Judge {
  const { observer, tally } = world;
  const seen = observer.called(stage);
  const { isOver, isTooLate, isUnforeseen } = circumstances(world, seen);
  const awaited = awaitsCallback(seen, call) && !isOver && !isTooLate;
  return (events: LogEvent[], refusal) => {
    if (isUnforeseen) return;
    hold(
      "I1",
      (refusal === null) === awaited,
      () => `a heartbeat of ${stage} led to ${refusal?.reason ?? "200"}`,
    );
    if (events.some(({ type }) => type === "stage.signalled")) tally.verb("heartbeat");
    else if (!awaited) tally.fault("heartbeat: of a try that has ended");
  };
}

/** I17: what was acknowledged is what the stage has, unless it never came to ask. */
export function auditAnswers(world: World, state: ExecutionState): void {
  if (world.outsiders.acknowledged.size === 0) return;
  const { stage_results } = viewExecution(state);
  for (const [stage, { answer, by }] of world.outsiders.acknowledged) {
    hold("I17", world.observer.of(stage).outside.answered, () => `the answer to ${stage} was lost`);
    const result = stage_results[stage];
    if (result?.status !== "completed" || result.fallback !== null) continue;
    const expected = answer.ok ? JSON.stringify([answer.data, by]) : "a failure";
    const given = JSON.stringify([result.data, result.answered_by]);
    hold("I17", given === expected, () => `${stage} has ${given}, not ${expected}`);
  }
}
