// JSON Patches: each operation, what does not fit, and that an agent cannot make one that costs without bound.
import { describe, expect, test } from "vitest";
import { PatchedDocument } from "../../../../../src/adapters/agents/protocols/ag-ui/json-patch.ts";
import { LIMITS } from "../../../../../src/contract/limits.ts";

function patched(value: unknown, ...operations: unknown[]) {
  const document = new PatchedDocument(structuredClone(value));
  return { fault: document.apply(operations), value: document.value };
}

describe("an operation", () => {
  test.each([
    [{}, { op: "add", path: "/a", value: 1 }, { a: 1 }],
    [{ a: 1 }, { op: "add", path: "/a", value: null }, { a: null }],
    [[1, 3], { op: "add", path: "/1", value: 2 }, [1, 2, 3]],
    [[1], { op: "add", path: "/-", value: 2 }, [1, 2]],
    [[1], { op: "add", path: "/1", value: 2 }, [1, 2]],
    [{ a: 1 }, { op: "add", path: "", value: [] }, []],
    [{ a: [1, 2] }, { op: "replace", path: "/a/1", value: 3 }, { a: [1, 3] }],
    [
      { "~": 1, "/": 2 },
      { op: "replace", path: "/~0", value: 3 },
      { "~": 3, "/": 2 },
    ],
    [{ "": 1 }, { op: "replace", path: "/", value: 3 }, { "": 3 }],
    [{ a: 1, b: 2 }, { op: "remove", path: "/a" }, { b: 2 }],
    [[1, 2], { op: "remove", path: "/0" }, [2]],
    [{ a: 1 }, { op: "remove", path: "" }, null],
    [{ a: { b: 1 } }, { op: "move", from: "/a/b", path: "/c" }, { a: {}, c: 1 }],
    [[1, 2, 3], { op: "move", from: "/0", path: "/2" }, [2, 3, 1]],
    [{ a: [1] }, { op: "copy", from: "/a", path: "/b" }, { a: [1], b: [1] }],
    [{ a: { x: 1, y: 2 } }, { op: "test", path: "/a", value: { y: 2, x: 1 } }, { a: { x: 1, y: 2 } }],
  ])("of %j: %j", (value, operation, expected) => {
    expect(patched(value, operation)).toEqual({ fault: null, value: expected });
  });

  test("of a copy does not change the original", () => {
    const { value } = patched(
      { a: [1] },
      { op: "copy", from: "/a", path: "/b" },
      { op: "add", path: "/b/-", value: 2 },
    );
    expect(value).toEqual({ a: [1], b: [1, 2] });
  });
});

describe("what does not fit is a fault that names it", () => {
  test.each([
    [{ op: "replace", path: "/gone", value: 1 }, /no member gone/],
    [{ op: "remove", path: "/list/9" }, /no item 9/],
    [{ op: "add", path: "/list/2", value: 1 }, /no item 2/],
    [{ op: "replace", path: "/list/-", value: 1 }, /no item -/],
    [{ op: "add", path: "/list/01", value: 1 }, /no item 01/],
    [{ op: "add", path: "/n/x", value: 1 }, /neither object nor list/],
    [{ op: "add", path: "n", value: 1 }, /no JSON pointer/],
    [{ op: "add", path: "/x" }, /no value/],
    [{ op: "copy", path: "/x" }, /no JSON pointer/],
    [{ op: "test", path: "/n", value: 2 }, /another value/],
    [{ op: "grow", path: "/n" }, /none of RFC 6902/],
    ["nonsense", /no JSON pointer/],
    [{ op: "add", path: "/__proto__/polluted", value: 1 }, /__proto__, which is not allowed/],
    [{ op: "copy", from: "/constructor", path: "/x" }, /constructor, which is not allowed/],
  ])("%j", (operation, message) => {
    const { fault, value } = patched({ n: 1, list: [1] }, { op: "test", path: "/n", value: 1 }, operation);
    expect(fault).toMatch(/^operation 1 /);
    expect(fault).toMatch(message);
    expect(value).toEqual({ n: 1, list: [1] });
  });
});

describe("what would cost without bound is refused", () => {
  test("a document that doubles with each copy", () => {
    const doubling = Array.from({ length: 40 }, (_, place) => ({
      op: "copy",
      from: "/a",
      path: `/a/k${place}`,
    }));
    const { fault } = patched({ a: {} }, ...doubling);
    expect(fault).toMatch(/too much to copy|nested deeper/);
  });

  test("a list that doubles in width", () => {
    const widening = Array.from({ length: 40 }, () => [
      { op: "copy", from: "/a", path: "/b" },
      { op: "copy", from: "/b", path: "/a/-" },
      { op: "move", from: "/a", path: "/c" },
      { op: "add", path: "/a", value: [] },
      { op: "copy", from: "/b", path: "/a/-" },
      { op: "copy", from: "/c/0", path: "/a/-" },
    ]).flat();
    expect(patched({ a: ["x".repeat(1_000)] }, ...widening).fault).toMatch(/too much to copy|nested deeper/);
  });

  test("one that is nested ever deeper", () => {
    const path = (depth: number) => "/a".repeat(depth);
    const deeper = Array.from({ length: 64 }, (_, depth) => ({
      op: "add",
      path: path(depth + 1),
      value: {},
    }));
    const { fault } = patched({}, ...deeper);
    expect(fault).toMatch(new RegExp(`^operation \\d+ is nested deeper`));
    expect(Number(/\d+/.exec(fault ?? "")?.[0])).toBeLessThan(LIMITS.JSON_DEPTH);
  });
});
