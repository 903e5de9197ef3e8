// The outline of a tenant's definitions: every version, and no more of the definitions than fits.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Pipeline } from "../../../src/contract/pipeline.ts";
import { outlineOf } from "../../../src/core/config/catalog-outline.ts";
import { firstShards } from "../../../src/core/monitoring/shards.ts";
import { TIMINGS } from "../../../src/core/timings.ts";

const { CATALOG_INLINE_CHARS, CATALOG_INLINE_EACH_CHARS } = TIMINGS;

/** A pipeline of exactly so many characters as JSON. */
function sized(name: string, version: number, chars: number): Pipeline {
  const bare = { name, version, stages: [{ name: "" }] };
  const rest = Math.max(0, chars - JSON.stringify(bare).length);
  return { ...bare, stages: [{ name: "x".repeat(rest) }] } as unknown as Pipeline;
}

function outlined(...pipelines: Pipeline[]) {
  const all = Object.fromEntries(pipelines.map((pipeline) => [pipeline.name, pipeline]));
  return outlineOf({ pipelines: all, agents: {}, config: {} }, firstShards(1));
}

test("has the definitions of a tenant with few small ones", () => {
  const one = sized("one", 3, 500);
  const two = sized("two", 1, CATALOG_INLINE_EACH_CHARS);
  const { pipelines, versions } = outlined(one, two);
  expect(pipelines).toEqual({ one, two });
  expect(versions).toEqual({ one: 3, two: 1 });
});

test("leaves out a large one, and has those after it", () => {
  const { pipelines, versions } = outlined(
    sized("large", 7, CATALOG_INLINE_EACH_CHARS + 1),
    sized("small", 1, 200),
  );
  expect(Object.keys(pipelines)).toEqual(["small"]);
  expect(versions).toEqual({ large: 7, small: 1 });
});

test("never takes more than its bounds, and names every version", () => {
  const size = fc.integer({ min: 60, max: 2 * CATALOG_INLINE_EACH_CHARS });
  fc.assert(
    fc.property(fc.array(size, { maxLength: 60, size: "max" }), (sizes) => {
      const all = sizes.map((chars, at) => sized(`p${at}`, at + 1, chars));
      const { pipelines, versions } = outlined(...all);
      const taken = Object.values(pipelines).map((pipeline) => JSON.stringify(pipeline).length);
      expect(taken.reduce((sum, chars) => sum + chars, 0)).toBeLessThanOrEqual(CATALOG_INLINE_CHARS);
      for (const chars of taken) expect(chars).toBeLessThanOrEqual(CATALOG_INLINE_EACH_CHARS);
      expect(versions).toEqual(Object.fromEntries(all.map(({ name, version }) => [name, version])));
      // One that fits is not left out for nothing.
      const left = CATALOG_INLINE_CHARS - taken.reduce((sum, chars) => sum + chars, 0);
      for (const pipeline of all) {
        const chars = JSON.stringify(pipeline).length;
        if (pipelines[pipeline.name] === undefined && chars <= CATALOG_INLINE_EACH_CHARS)
          expect(chars).toBeGreaterThan(left);
      }
    }),
  );
});
