// The arithmetic of edges: cycles, layers, sinks, the longest path; and that it keeps up with the largest pipeline.
import { assert as assertProperty, integer, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { criticalPath, dependencies, findCycle, layers, sinks } from "../../../src/core/pipeline/graph.ts";
import { Random } from "../simulation/random.ts";

const node = (name: string, ...depends_on: string[]) => ({ name, depends_on });

describe("findCycle", () => {
  test("names the cycle in the direction of the work, closed", () => {
    expect(findCycle([node("a", "c"), node("b", "a"), node("c", "b")])).toEqual(["a", "b", "c", "a"]);
    expect(findCycle([node("a", "a")])).toEqual(["a", "a"]);
    expect(findCycle([node("x"), node("a", "x", "b"), node("b", "a")])).toEqual(["a", "b", "a"]);
  });
  test("finds none in a diamond, and ignores names that are not there", () => {
    expect(findCycle([node("a"), node("b", "a"), node("c", "a"), node("d", "b", "c", "nobody")])).toBeNull();
  });
});

test("dependencies, layers and sinks of a diamond", () => {
  const diamond = [node("d", "b", "c"), node("b", "a"), node("c", "a"), node("a")];
  expect(dependencies(diamond)).toEqual({ d: ["b", "c"], b: ["a"], c: ["a"], a: [] });
  expect(layers(diamond)).toEqual([["a"], ["b", "c"], ["d"]]);
  expect(sinks(diamond)).toEqual([diamond[0]]);
  expect(layers([node("a", "b"), node("b", "a")])).toEqual([]);
});

test("the critical path of equal ones is the first in definition order; of nothing it is empty", () => {
  const diamond = [node("a"), node("b", "a"), node("c", "a"), node("d", "b", "c")];
  expect(criticalPath(diamond, () => 1)).toEqual({ path: ["a", "b", "d"], weight: 3 });
  expect(criticalPath(diamond, (name) => (name === "c" ? 5 : 1))).toEqual({
    path: ["a", "c", "d"],
    weight: 7,
  });
  expect(criticalPath([], () => 1)).toEqual({ path: [], weight: 0 });
});

test("random graphs: no cycle in a DAG, every layer after those it needs, no path heavier than the critical one", () => {
  const holds = property(integer(), integer({ min: 1, max: 12 }), (seed, size) => {
    const random = new Random(seed);
    const names = Array.from({ length: size }, (_, at) => `n${at}`);
    const nodes = random.shuffle(
      names.map((name, at) => node(name, ...names.slice(0, at).filter(() => random.odds(0.4)))),
    );
    expect(findCycle(nodes)).toBeNull();
    const placed = layers(nodes);
    expect(placed.flat().toSorted()).toEqual(names.toSorted());
    const layerOf = new Map(placed.flatMap((layer, at) => layer.map((name) => [name, at] as const)));
    for (const { name, depends_on } of nodes)
      for (const before of depends_on) expect(layerOf.get(before)).toBeLessThan(layerOf.get(name) as number);
    const weights = new Map(names.map((name) => [name, random.int(0, 9)]));
    const weigh = (name: string): number => weights.get(name) as number;
    const walk = (name: string): number =>
      weigh(name) + Math.max(0, ...(nodes.find((other) => other.name === name)?.depends_on.map(walk) ?? []));
    const { path, weight } = criticalPath(nodes, weigh);
    expect(weight).toBe(Math.max(...names.map(walk)));
    expect(path.reduce((sum, name) => sum + weigh(name), 0)).toBe(weight);
    // One edge back makes a cycle.
    const [first, second] = [nodes.find((other) => other.depends_on.length > 0), null];
    if (first !== undefined) {
      const back = nodes.map((other) =>
        other.name === first.depends_on[0] ? node(other.name, ...other.depends_on, first.name) : other,
      );
      expect(findCycle(back)).not.toBe(second);
    }
  });
  assertProperty(holds, { numRuns: 500, seed: 1, includeErrorInReport: true });
});
