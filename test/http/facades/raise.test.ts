// What a client of another protocol sends with the resume of a run: a budget, or nothing that is read.
import { expect, test } from "vitest";
import { resumeWith } from "../../../src/http/facades/raise.ts";

test.each([undefined, null, "go on", [], {}, { approved: true }])("%o is a resume", (data) => {
  expect(resumeWith(data, "/data")).toEqual({ ok: true, value: { type: "resume" } });
});

test("a budget is raised", () => {
  const budget = { cost_usd: 0.5, on_exceeded: "fail" };
  expect(resumeWith({ budget, more: 1 }, "/data")).toEqual({ ok: true, value: { type: "resume", budget } });
});

test.each([
  [{ cost_usd: -1 }, "/data/budget/cost_usd"],
  [{ tokens: 1.5 }, "/data/budget/tokens"],
  [{ dollars: 1 }, "/data/budget/dollars"],
  [{}, "/data/budget"],
  [null, "/data/budget"],
])("%o is refused at %s", (budget, pointer) => {
  const { ok, error } = resumeWith({ budget }, "/data") as { ok: boolean; error?: object };
  expect(ok).toBe(false);
  expect(error).toMatchObject({
    code: "INVALID_REQUEST",
    errors: expect.arrayContaining([expect.objectContaining({ pointer })]),
  });
});
