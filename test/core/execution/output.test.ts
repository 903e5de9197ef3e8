// src/contract/README.md section 13: `output_schema`, the one more try that it gives, and what the agent is then given.
import { describe, expect, test } from "vitest";
import { PipelineStage } from "../../../src/contract/stage.ts";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import { conforming } from "../../../src/core/execution/output.ts";
import { stageOf } from "../../../src/core/execution/state.ts";
import { validatePipeline } from "../../../src/core/pipeline/validate.ts";
import { ok, Play, side } from "../rules/play.ts";

const faults = (written: object) =>
  validatePipeline([PipelineStage.parse({ agent_type: "x", ...written })]).map(
    ({ pointer, message }) => `${pointer} ${message}`,
  );

describe("output_schema", () => {
  const output_schema = {
    type: "object",
    required: ["items"],
    properties: { items: { type: "array", items: { type: "integer" } } },
  };

  test("is checked when it is written, and so is the data of a fallback", () => {
    expect(faults({ name: "a", output_schema: { type: "number", minimum: "1" } })).toEqual([
      expect.stringMatching(/^\/stages\/0\/output_schema\/minimum output_schema: /),
    ]);
    const fallback = { strategy: "use_default", data: { items: ["one"] } };
    expect(faults({ name: "a", output_schema, fallback })).toEqual([
      expect.stringMatching(/^\/stages\/0\/fallback\/data\/items\/0 fallback: its data .*\(output_schema\)$/),
    ]);
    const wait = { name: "w", agent_type: undefined, wait: {}, output_schema };
    expect(faults(wait).join()).toContain("output_schema is for a stage that calls an agent");
  });

  test("an answer that does not satisfy it is a fault of the contract that names the places", () => {
    const given = conforming({ output_schema }, ok({ items: [1, "two"] }));
    expect(given).toMatchObject({ ok: false, failure: { kind: "contract", status: 200 } });
    expect(JSON.stringify(given)).toContain("/data/items/1 ");
    const many = conforming({ output_schema }, ok({ items: Array.from({ length: 30 }, () => "x") }));
    expect(JSON.stringify(many)).toMatch(/\/data\/items\/9 .* and 20 more \(output_schema\)/);
    const fits = ok({ items: [1] });
    expect(conforming({ output_schema }, fits)).toBe(fits);
    expect(conforming({}, ok({ any: true }))).toMatchObject({ ok: true });
    const later: CallOutcome = { ok: "later" };
    expect(conforming({ output_schema }, later)).toBe(later);
  });

  test("a callback is held to it as an answer is, and the next call is given why", () => {
    const stage = side("a", { output_schema, callback_timeout_seconds: 60 });
    const play = new Play([stage]);
    const bad = ok({ items: "none" }) as Parameters<Play["callback"]>[1];
    play.accept("a").callback("a", bad);
    expect(play.types.at(-1)).toBe("stage.retrying");
    expect(stageOf(play.state, "a").previous_error).toMatchObject({ code: "AGENT_PROCESSING_ERROR" });
    play.after(play.delay).tick().accept("a").callback("a", bad);
    expect(play.result("a")).toMatchObject({ status: "failed", attempts: 2 });
    expect(play.result("a").error?.message).toContain("/data/items ");
  });

  test("a failure that is no answer gives the next call nothing to mend", () => {
    const play = new Play([side("a", { output_schema })]);
    play.answer("a", conforming({ output_schema }, ok({})));
    expect(stageOf(play.state, "a").previous_error).not.toBeNull();
    play.after(play.delay).tick();
    play.fail("a", { kind: "rejected" });
    expect(stageOf(play.state, "a").previous_error).toBeNull();
  });
});
