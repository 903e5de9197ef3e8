// The key of a result: the agent's input in any order, and neither caller nor time.
import { expect, test } from "vitest";
import type { AgentCall } from "../../../src/contract/agent.ts";
import { cacheFamily, cacheKey } from "../../../src/core/caching/cache-key.ts";
import { canonicalJson } from "../../../src/core/json/json.ts";

const call: AgentCall = {
  execution_id: "ex_1",
  conversation_id: "c1",
  stage: "s",
  agent_type: "a",
  attempt: 1,
  query: "q",
  config: { a: 1, b: { c: [1, 2] } },
  inputs: { x: { y: 1 } },
  context: { z: 1 },
  history: [],
  timeout_ms: 1_000,
};
const registration = { url: "https://agents.example/a", protocol: "native" as const };
const exact = (fields: Partial<AgentCall>, tenant = "acme", registered = registration) =>
  cacheKey(tenant, registered, { ...call, ...fields }).exact;

test("its key contains the agent's input, in any order, and neither caller nor time", () => {
  const same = exact({});
  expect(exact({ execution_id: "ex_2", conversation_id: "c2", attempt: 7, timeout_ms: 5 })).toBe(same);
  expect(exact({ config: { b: { c: [1, 2] }, a: 1 } })).toBe(same);
  const others = [
    exact({}, "other"),
    exact({}, "acme", { ...registration, url: "https://agents.example/b" }),
    exact({ stage: "t" }),
    exact({ agent_type: "b" }),
    exact({ query: "Q" }),
    exact({ config: { a: 1, b: { c: [2, 1] } } }),
    exact({ inputs: { x: { y: 2 } } }),
    exact({ inputs: { x: null } }),
    exact({ context: {} }),
    exact({ history: [{ query: "q", answer: "a" }] }),
  ];
  expect(new Set([same, ...others]).size).toBe(others.length + 1);
});

test("a call with an input is known by that alone, beside the stage, its config and its agent", () => {
  const mapped = (fields: Partial<AgentCall>) => exact({ input: { docs: [1] }, ...fields });
  const same = mapped({});
  const history = [{ query: "q", answer: "a" }];
  expect(mapped({ query: "Q", inputs: {}, context: { z: 2 }, history })).toBe(same);
  const others = [
    exact({}),
    mapped({ input: { docs: [2] } }),
    mapped({ config: {} }),
    mapped({ stage: "t" }),
  ];
  expect(new Set([same, ...others]).size).toBe(others.length + 1);
});

test("items are calls of their own: equal ones differ by their place, unless the author has named the input", () => {
  const places = [exact({}), exact({ item: "a", index: 0 }), exact({ item: "a", index: 1 })];
  expect(new Set(places).size).toBe(places.length);
  expect(exact({ item: "b", index: 0 })).not.toBe(places[1]);
  const input = { of: "a" };
  expect(exact({ item: "a", index: 0, input })).toBe(exact({ item: "a", index: 1, input }));
  const family = (index: number) => cacheFamily("acme", "s", call, "q", { item: "a", index });
  expect(family(0)).toBe(family(1));
  expect(cacheKey("acme", registration, { ...call, item: "a", index: 1 }).family).toBe(family(1));
});

test("a result that had to satisfy another schema is another result", () => {
  const keys = [undefined, { type: "object" }, { type: "object", required: ["a"] }].flatMap((schema) => [
    cacheKey("acme", registration, call, schema).exact,
    cacheKey("acme", registration, { ...call, input: {} }, schema).exact,
  ]);
  expect(new Set(keys).size).toBe(keys.length);
});

test("another generation of the agent is another input; one without a number is the first", () => {
  const first = cacheKey("acme", registration, call);
  const second = cacheKey("acme", { ...registration, generation: 1 }, call);
  expect(new Set([first.exact, second.exact, exact({})])).toEqual(new Set([first.exact, second.exact]));
  expect(second.exact).not.toBe(first.exact);
  expect(second.family).toBe(first.family);
});

test("keys are the canonical JSON of all that makes two calls the same", () => {
  const turn = { query: "before", answer: { z: 1, a: [true, null] } };
  const asking: AgentCall = {
    ...call,
    stage: "answer",
    agent_type: "llm",
    query: 'what is "this"?',
    config: { top: 3, a: { c: 1, b: 2 } },
    inputs: { intent: { kind: "x" }, beside: null },
    context: { language: "en" },
    history: [turn],
  };
  const registered = { ...registration, generation: 7 };
  const { stage, agent_type, config, query, inputs, context, history } = asking;
  const asked = { tenant: "t", stage, agent_type, config, query };
  for (const at of [registered, null]) {
    expect(cacheKey("t", at, asking)).toEqual({
      tenant: "t",
      question: query,
      exact: canonicalJson({ ...asked, registration: at, inputs, context, history }),
      family: canonicalJson(asked),
    });
  }
  expect(cacheFamily("t", stage, asking, query)).toBe(canonicalJson(asked));
});
