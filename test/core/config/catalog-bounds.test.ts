// The bounds of what a tenant may define: each at its edge, and never a reason to refuse what makes it smaller.
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import { boundsFault, type Definitions } from "../../../src/core/config/catalog-bounds.ts";

const EMPTY: Definitions = { pipelines: {}, agents: {}, config: {} };
const many = <T>(count: number, value: T): Record<string, T> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`n${at}`, value]));
const PIPELINE = { name: "p", version: 1, stages: [] };
const AGENT = { binding: "AGENTS", protocol: "native" as const };
/** A config of exactly so many bytes as JSON; `€` takes three. */
const configOf = (bytes: number) => ({ a: `€${"x".repeat(bytes - '{"a":"€"}'.length - 2)}` });

describe.each<[string, number, (size: number) => Definitions]>([
  ["pipelines", LIMITS.PIPELINES, (size) => ({ ...EMPTY, pipelines: many(size, PIPELINE) })],
  [
    "agents",
    LIMITS.AGENTS,
    (size) => ({ ...EMPTY, agents: { ...many(size, AGENT), removed: null, also: null } }),
  ],
  ["config", LIMITS.CONFIG_BYTES, (size) => ({ ...EMPTY, config: configOf(size) })],
  [
    "catalog",
    LIMITS.CATALOG_BYTES,
    (size) => {
      const bare = { ...EMPTY, pipelines: { p: { ...PIPELINE, name: "" } } };
      const rest = size - JSON.stringify(bare).length;
      return { ...EMPTY, pipelines: { p: { ...PIPELINE, name: "x".repeat(rest) } } };
    },
  ],
])("%s", (what, limit, sized) => {
  test("may reach the bound, and not pass it", () => {
    expect(boundsFault(EMPTY, sized(limit))).toBeNull();
    const fault = boundsFault(sized(limit), sized(limit + 1));
    expect(fault).toEqual({ code: "RESOURCE_EXHAUSTED", what, limit, size: limit + 1 });
  });

  test("beyond it already may stay as it is, or become smaller", () => {
    expect(boundsFault(sized(limit + 9), sized(limit + 9))).toBeNull();
    expect(boundsFault(sized(limit + 9), sized(limit + 5))).toBeNull();
    expect(boundsFault(sized(limit + 5), sized(limit + 9))).not.toBeNull();
  });
});
