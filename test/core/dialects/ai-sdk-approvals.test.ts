// Which questions are approvals, what an approval answers, and when a run goes on only after one.
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/contract/json.ts";
import {
  approvalAnswer,
  approvalId,
  approvalOf,
  isApproval,
  isHeld,
} from "../../../src/core/dialects/ai-sdk-approvals.ts";
import type { StreamEvent } from "../../../src/core/dialects/answer-fold.ts";
import { RunStages } from "../../../src/core/dialects/run-stages.ts";

const schemaOf = (properties: JsonObject, required?: string[]): JsonObject => ({
  type: "object",
  properties,
  ...(required === undefined ? {} : { required }),
});
const approved = { approved: { type: "boolean" } };

test.each<[boolean, JsonObject | null]>([
  [true, schemaOf(approved, ["approved"])],
  [true, schemaOf({ ...approved, remark: { type: "string" } })],
  [false, null],
  [false, {}],
  [false, schemaOf({ approved: { type: "string" } })],
  [false, schemaOf({ ...approved, remark: { type: "string" } }, ["approved", "remark"])],
  [false, { properties: [approved] }],
  [false, { properties: approved, required: "approved" }],
])("an approval: %s, by the schema %j", (is, schema) => {
  expect(isApproval(schema)).toBe(is);
});

test("its reason goes where the schema has a text for it", () => {
  const remark = schemaOf({ ...approved, remark: { type: "string" } });
  expect(approvalAnswer(remark, false, "No")).toEqual({ approved: false, remark: "No" });
  expect(approvalAnswer(remark, true, "")).toEqual({ approved: true });
  expect(approvalAnswer(remark, true)).toEqual({ approved: true });
  expect(approvalAnswer(schemaOf(approved), false, "No")).toEqual({ approved: false });
  expect(approvalAnswer(schemaOf({ ...approved, reason: { type: "number" } }), false, "No")).toEqual({
    approved: false,
  });
});

test("an id names its execution, stage and question, and another's is none", () => {
  const id = { execution_id: "ex_1-a", stage: "my.stage.2", seq: 12 };
  expect(approvalOf(approvalId(id))).toEqual(id);
  for (const other of ["", "aitxt-1", "ex_1.stage", "ex_1..2", "ex_1.stage.x", `ex.s.${"1".repeat(16)}`]) {
    expect(approvalOf(other)).toBeNull();
  }
});

describe("a run with an open approval", () => {
  const begun = (stages: Record<string, string[]>, settled: Record<string, number> = {}) => {
    const run = new RunStages();
    let seq = 0;
    const push = (type: string, more: object) => {
      run.push({ type, seq: (seq += 1), ...more } as unknown as StreamEvent);
      return isHeld(run.asked, new Map(Object.entries(settled)));
    };
    const definitions = Object.entries(stages).map(([name, depends_on]) => ({ name, depends_on }));
    push("execution.started", { data: { stages: definitions } });
    return {
      asks: (stage: string, schema: JsonObject | null = schemaOf(approved)) =>
        push("stage.waiting", { stage, data: { reason: "wait", schema } }),
      later: (stage: string) => push("stage.waiting", { stage, data: { reason: "callback" } }),
      signalled: (stage: string) =>
        push("stage.signalled", { stage, status: "waiting", data: { signal: "complete" } }),
      on: (type: string, stage: string) => push(`stage.${type}`, { stage }),
    };
  };

  test("holds where nothing else runs, or could begin", () => {
    const { asks, on } = begun({ ask: [], beside: [], behind: ["ask"], next: ["beside"] });
    expect(on("started", "beside")).toBe(false);
    expect(asks("ask")).toBe(false);
    // The next one begins at once.
    expect(on("completed", "beside")).toBe(false);
    expect(on("started", "next")).toBe(false);
    expect(on("failed", "next")).toBe(true);
    expect(on("completed", "ask")).toBe(false);
    expect(on("skipped", "behind")).toBe(false);
  });

  test("goes on where an agent answers later, or a question is no approval", () => {
    const other = begun({ ask: [], agent: [] });
    other.asks("ask");
    expect(other.later("agent")).toBe(false);
    const open = begun({ ask: [], free: [] });
    open.asks("ask");
    expect(open.asks("free", null)).toBe(false);
    expect(open.on("cancelled", "free")).toBe(true);
  });

  test("passes a question that had its answer before the stream began", () => {
    const { asks, on } = begun({ first: [], second: ["first"] }, { first: 2 });
    expect(asks("first")).toBe(false);
    expect(on("completed", "first")).toBe(false);
    expect(asks("second")).toBe(true);
  });

  test("goes on where an agent has its answer, and may be asked again", () => {
    const { asks, signalled, on } = begun({ ask: [] }, { ask: 2 });
    expect(asks("ask")).toBe(false);
    expect(signalled("ask")).toBe(false);
    expect(on("started", "ask")).toBe(false);
    expect(asks("ask")).toBe(true);
    expect(signalled("ask")).toBe(false);
  });
});
