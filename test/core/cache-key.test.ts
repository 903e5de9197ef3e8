// Cache keys are texts that stores hold hashed: they are what canonical JSON of all that they name is, byte for byte.
import { anything, assert, jsonValue, property, string } from "fast-check";
import { expect, test } from "vitest";
import type { AgentCall } from "../../src/contract/agent.ts";
import { cacheFamily, cacheKey } from "../../src/core/caching/cache-key.ts";
import { canonicalJson } from "../../src/core/json/json.ts";

/** The shortest way to write it. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  const sorted = fields.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${sorted.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(",")}}`;
}

test("canonical JSON sorts the keys of every object, and is JSON's text otherwise", () => {
  const any = anything({
    maxDepth: 4,
    key: string({ unit: "binary" }),
    values: [string({ unit: "binary" })],
  });
  const isSame = (value: unknown) => {
    expect(canonicalJson(value)).toBe(canonical(value));
  };
  assert(property(jsonValue(), isSame));
  assert(property(any, isSame));
  const value = { b: 'a "quote"', a: "\\ \u0000 \u007f \ud800 é", 10: -0, 9: 1e21, z: undefined, [`k"`]: 5n };
  expect(canonicalJson(value)).toBe(canonical(value));
});

test("keys are the canonical JSON of all that makes two calls the same", () => {
  const turn = { query: "before", answer: { z: 1, a: [true, null] } };
  const call: AgentCall = {
    execution_id: "ex_1",
    conversation_id: "c",
    stage: "answer",
    agent_type: "llm",
    attempt: 2,
    query: 'what is "this"?',
    config: { top: 3, a: { c: 1, b: 2 } },
    inputs: { intent: { kind: "x" }, beside: null },
    context: { language: "en" },
    history: [turn],
    timeout_ms: 5,
  };
  const registration = { protocol: "native", url: "https://agent.test/", generation: 7 } as const;
  const { stage, agent_type, config, query, inputs, context, history } = call;
  const asked = { tenant: "t", stage, agent_type, config, query };
  for (const at of [registration, null]) {
    expect(cacheKey("t", at, call)).toEqual({
      tenant: "t",
      question: query,
      exact: canonical({ ...asked, registration: at, inputs, context, history }),
      family: canonical(asked),
    });
  }
  expect(cacheFamily("t", stage, call, query)).toBe(canonical(asked));
});
