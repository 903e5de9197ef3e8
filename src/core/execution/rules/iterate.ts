// What follows an agent's answer: the end of its unit, or of one iteration of it.
import { evaluateField, fieldMessage, Meter } from "../../expressions/field.ts";
import { untilField } from "../../pipeline/condition.ts";
import type { CallEnding } from "../command.ts";
import type { CallEnd } from "../log-event.ts";
import { specOf } from "../schedule.ts";
import { stageOf } from "../state.ts";
import type { UnitName } from "../units/unit-name.ts";
import { unitScope } from "../units/unit-scope.ts";
import type { Batch } from "./batch.ts";
import { type Answering, completeStage, failOrFallBack } from "./endings.ts";
import { scopeOf } from "./scope.ts";

/** @param outcome its `bytes` are what it adds to those of the execution */
export function takeAnswer(
  batch: Batch,
  name: UnitName,
  outcome: Extract<CallEnding, { ok: true }>,
  end: CallEnd,
  answering: Answering = {},
): void {
  const { repeat } = specOf(batch.state, name);
  const { rescued, iteration, attempt } = stageOf(batch.state, name);
  const { usage } = outcome.answer;
  const fail = (code: string, message: string) => {
    const used = usage === undefined || end.uncalled === true ? end : { ...end, usage };
    failOrFallBack(batch, name, { code, message, retryable: false }, used, answering);
  };
  // A fallback ends its stage.
  if (repeat === undefined || rescued !== null) {
    completeStage(batch, name, outcome, end, answering);
    return;
  }
  const { data, context } = outcome.answer;
  const seen = { ...scopeOf(batch.state), ...unitScope(batch.state, name), result: data };
  const verdict = evaluateField(untilField(repeat.until), seen, new Meter());
  if (!verdict.ok) {
    fail("INVALID_PIPELINE_CONFIG", fieldMessage(verdict.error));
    return;
  }
  if (verdict.value || (iteration >= repeat.max && repeat.on_max === "accept")) {
    completeStage(batch, name, outcome, end, answering);
    return;
  }
  if (iteration >= repeat.max) {
    fail("AGENT_PROCESSING_ERROR", `repeat.until is false after ${iteration} iterations: ${repeat.until}`);
    return;
  }
  const { answered } = answering;
  batch.emit({
    type: "stage.iterated",
    stage: name,
    status: "running",
    attempt,
    message: `${name} is to be called again: until is false after iteration ${iteration}`,
    data: { iteration, data },
    internal: {
      ...end,
      bytes: outcome.bytes,
      ...(context === undefined ? {} : { context }),
      ...(usage === undefined ? {} : { usage }),
      ...(answered === undefined ? {} : { answered }),
    },
  });
}
