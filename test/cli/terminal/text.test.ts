// A terminal's lines: well-formed at every width, with what the text holds.
import { describe, expect, test } from "vitest";
import { clip, wrap } from "../../../src/cli/terminal/text.ts";

const LION = "\u{1f981}";

describe("a terminal's lines", () => {
  test("are well-formed at every width, and lose nothing", () => {
    const text = `${LION.repeat(7)} a${LION} ${"b".repeat(9)}${LION}`;
    for (let width = 1; width < 20; width += 1) {
      const lines = wrap(text, width);
      expect(lines.every((line) => line.isWellFormed())).toBe(true);
      expect(lines.join("").replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
      expect(clip(text, width).isWellFormed()).toBe(true);
    }
  });
});

test("code keeps its indents on a terminal, and a long line is broken between words", () => {
  expect(wrap("def f():\n    return  1\n\nword word word", 9)).toEqual([
    "def f():",
    "return 1",
    "",
    "word word",
    "word",
  ]);
  expect(wrap("def f():\n    return  1", 20)).toEqual(["def f():", "    return  1"]);
});
