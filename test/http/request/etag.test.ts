// ETags and the conditions of reads and writes.
import { describe, expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../../src/contract/config.ts";
import { etagOf, isUnchanged, writeCondition } from "../../../src/http/request/etag.ts";

describe("conditions", () => {
  const etag = etagOf({ name: "p", version: 3, stages: [] }, DEFAULT_CONFIG);
  const current = { etag, version: 3 };

  test("the tag is strong, and changes with what GET shows", () => {
    expect(etag).toMatch(/^"[^"]+"$/);
    expect(etagOf({ name: "p", version: 4, stages: [] }, DEFAULT_CONFIG)).not.toBe(etag);
    expect(
      etagOf({ name: "p", version: 3, stages: [] }, { ...DEFAULT_CONFIG, stage_timeout_seconds: 1 }),
    ).not.toBe(etag);
  });

  test.each([
    [undefined, undefined, current, null],
    ["*", undefined, current, "exists"],
    ["*", undefined, null, "fails"],
    [etag, undefined, current, 3],
    [`"x", ${etag}`, undefined, current, 3],
    ['"x"', undefined, current, "fails"],
    [`W/${etag}`, undefined, current, "fails"],
    [etag, undefined, null, "fails"],
    [undefined, "*", null, 0],
    [undefined, "*", current, "fails"],
    [undefined, etag, current, "fails"],
    [undefined, '"x"', current, 3],
  ] as const)("If-Match %s, If-None-Match %s", (ifMatch, ifNoneMatch, there, expected) => {
    expect(writeCondition(ifMatch, ifNoneMatch, there)).toBe(expected);
  });

  test("GET's If-None-Match compares weakly", () => {
    expect(isUnchanged(`W/${etag}`, etag)).toBe(true);
    expect(isUnchanged('"x"', etag)).toBe(false);
    expect(isUnchanged(undefined, etag)).toBe(false);
  });
});
