// Which names have figures of their own, where they are counted and where parts are merged.
import { expect, test } from "vitest";
import { admittedName, keptNames, OTHER } from "../../../../src/core/monitoring/metrics/names.ts";

test.each([
  [["a", "b"], "a", 2, "a"],
  [["a"], "b", 2, "b"],
  [["a", "b"], "c", 2, OTHER],
  // `other` takes nobody's place.
  [["a", OTHER], "b", 2, "b"],
  [["a", "b", OTHER], "c", 2, OTHER],
  [[], OTHER, 2, OTHER],
  [[], "a", 0, OTHER],
])("beside %j, %s is counted at most %i as %s", (known, name, most, counted) => {
  expect(admittedName(new Map(known.map((one) => [one, 1])), name, most)).toBe(counted);
});

test.each([
  [[["b", "a"], ["c"]], 3, ["b", "a", "c"]],
  [[["z", "a"], ["c"]], 2, ["c", "z"]],
  [[["c"], ["z", "a"]], 2, ["c", "z"]],
  [
    [
      ["x", "y"],
      ["y", "x"],
    ],
    1,
    ["x"],
  ],
  [[[OTHER, "a"], ["b"]], 1, ["b"]],
  [[], 2, []],
])("of %j at most %i are kept: %j", (sources, most, kept) => {
  expect([...keptNames(sources, most)].toSorted()).toEqual(kept.toSorted());
});
