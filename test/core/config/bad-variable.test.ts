// What a variable that cannot be used shows: to callers, who need no key, and to the operator's log.
import { describe, expect, test } from "vitest";
import {
  type BadVariable,
  badAddress,
  badSetting,
  badVariable,
  entryNumber,
  forCallers,
  forLog,
} from "../../../src/core/config/bad-variable.ts";

const both = (bad: BadVariable) => JSON.stringify([forCallers(bad), forLog(bad)]);

describe("an address", () => {
  test.each([
    ["rediss://default:hunter2@redis.example.com:6379/0?x=hunter2", "rediss://redis.example.com:6379"],
    ["ftp://user:hunter2@hooks.example.com/hunter2", "ftp://hooks.example.com"],
    ["https://hooks.example.com/hunter2#hunter2", "https://hooks.example.com"],
    ["https://:hunter2@hooks.example.com", "https://hooks.example.com"],
    // A password that ends the authority early.
    ["https://hunter:2/2@hooks.example.com", undefined],
    ["https://hunter?2@hooks.example.com", undefined],
    ["https://hunter#2@hooks.example.com", undefined],
    ["redis://hunter2/x@redis.example.com", undefined],
    // Not clearly a host.
    ["hooks.example.com/services/hunter2", undefined],
    ["hunter2.hunter2.hunter2", undefined],
    ["hunter2:22@hooks.example.com", undefined],
    ["hunter:2", undefined],
    ["hunter2 with spaces", undefined],
    ["mailto:hunter2@example.com", undefined],
    ["", undefined],
  ])("%s shows callers nothing, and the log its scheme and host", (value, logged) => {
    const bad = badAddress("SOME_URL", value, "a URL");
    expect(forCallers(bad)).toEqual({ variable: "SOME_URL", expected: "a URL" });
    expect(forLog(bad)["value"]).toBe(logged);
    expect(both(bad)).not.toMatch(/hunter/);
  });
});

test("a variable of no declared kind shows nothing", () => {
  const bad = badVariable("SOME_SECRET", "24 bytes");
  expect(forCallers(bad)).toEqual({ variable: "SOME_SECRET", expected: "24 bytes" });
  expect(forLog(bad)).toEqual({ variable: "SOME_SECRET", expected: "24 bytes" });
});

test("a setting is shown where it can be one, and hidden where something else was put there", () => {
  for (const value of ["seven", "-1", "1.5", "60/60", "perhaps"]) {
    const bad = badSetting("SOME_NUMBER", value, "a number");
    expect(forCallers(bad).shown).toBe(value);
    expect(forLog(bad)["value"]).toBe(value);
  }
  for (const value of ["https://user:hunter2@example.com", "sk-hunter2-hunter2-hunter2", "a\nhunter2", ""]) {
    expect(both(badSetting("SOME_NUMBER", value, "a number"))).not.toMatch(/hunter|shown|value/);
  }
});

test("an entry of a list is named by its place", () => {
  expect(entryNumber("a.example, B.example ,c", "b.example")).toBe(2);
});
