// What an agent's errors are read as: problem details, and messages in other forms.
import { describe, expect, test } from "vitest";
import { clip, readErrorBody, readProblem } from "../../../src/adapters/agents/parse.ts";

describe("problem details", () => {
  test.each([
    [
      { title: "t", detail: "d", status: 503, retryable: false },
      { title: "t", detail: "d", status: 503, retryable: false },
    ],
    [{ title: null, detail: ["d"], status: "503", retryable: "false" }, {}],
    [
      { title: "t", status: 503.5, retryable: false },
      { title: "t", retryable: false },
    ],
    [{ status: 99 }, {}],
    [{ status: 600 }, {}],
    [
      { status: 100, retryable: null, detail: "" },
      { status: 100, detail: "" },
    ],
    [{}, {}],
  ])("%j", (problem, read) => {
    expect(JSON.parse(JSON.stringify(readProblem(JSON.stringify(problem))))).toEqual(read);
  });

  test.each(["", "{", "[]", "null", '"no"', "5"])("are not %j", (text) => {
    expect(readProblem(text)).toBeNull();
    expect(readErrorBody(text, "application/json").retryable).toBeNull();
  });
});

test("an agent's words are cut between characters, without control characters", () => {
  expect(clip(`${"d".repeat(499)}\u{1f981}`)).toBe("d".repeat(499));
  expect(clip("a\u0000\u0007\nb\u009fc")).toBe("a b c");
  expect(clip("\ud83e")).toBe("\ufffd");
});
