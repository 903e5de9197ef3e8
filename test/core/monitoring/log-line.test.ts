// A log line: one line of JSON for any content, and the levels.
import { describe, expect, test } from "vitest";
import { isLogged, logLine } from "../../../src/core/monitoring/log-line.ts";

describe("a log line", () => {
  test("is one line of JSON for any content", () => {
    const line = logLine("INFO", 0, {
      text: "a\nb\u001b[0m\u0085\u2028\u202e\ud800",
      long: "x".repeat(10_000),
    });
    // oxlint-disable-next-line no-control-regex
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
    expect(line.length).toBeLessThan(1_000);
    expect(JSON.parse(line)).toMatchObject({ level: "INFO", time: "1970-01-01T00:00:00.000Z" });
  });

  test("levels go up from DEBUG to ERROR", () => {
    const levels = ["DEBUG", "INFO", "WARN", "ERROR"] as const;
    const wanted = levels.map((least) => levels.filter((level) => isLogged(level, least)).length);
    expect(wanted).toEqual([4, 3, 2, 1]);
  });
});
