import { expect, test } from "vitest";
import type { WaitStage } from "../../../src/contract/stage.ts";
import { decide } from "../../../src/core/execution/decide.ts";
import { nextActions } from "../../../src/core/execution/next-actions.ts";
import { isAtRest } from "../../../src/core/execution/state.ts";
import { makeSpec } from "../simulation/spec.ts";

const DAY = 86_400_000;

function approval(fields: Partial<WaitStage> = {}): WaitStage {
  return {
    name: "approval",
    required: true,
    parallel: false,
    depends_on: [],
    config: {},
    wait: { prompt: "{'question': query}", timeout_seconds: 86_400, on_timeout: "fail" },
    ...fields,
  };
}

test("An execution's clock stands still while it waits, and any number of days later it goes on at once.", () => {
  const begun = decide(null, { type: "start", spec: makeSpec([approval()]) }, 1_000);
  expect(begun.events.map(({ type }) => type)).toEqual(["execution.started", "stage.waiting"]);
  const waiting = begun.state;
  if (waiting === null) throw new Error("it did not start");
  expect(waiting.status).toBe("waiting");
  expect(isAtRest(waiting)).toBe(true);
  expect(nextActions(waiting)).toEqual({ invoke: [], wake_at: 1_000 + DAY });
  const answer = { ok: true, data: { approved: true } } as const;
  const ended = decide(
    waiting,
    { type: "signal", stage: "approval", wait: null, answer, by: "key:1" },
    DAY - 1,
  );
  expect(ended.refusal).toBeNull();
  expect(ended.state?.status).toBe("completed");
  expect(ended.state?.stages[0]?.result).toMatchObject({
    status: "completed",
    data: { approved: true },
    answered_by: "key:1",
    attempts: 0,
  });
});
