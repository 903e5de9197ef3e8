// Templates of what is sent to agents: where their places are filled from, and what a place without a value becomes.
import { describe, expect, test } from "vitest";
import {
  defaultPrompt,
  filledObject,
  filledText,
} from "../../../../src/adapters/agents/protocols/template.ts";
import type { AgentCall } from "../../../../src/contract/agent.ts";
import { readJson } from "../../../../src/core/json/json.ts";

const read = readJson("12345678901234567890");
/** As the product reads an integer that a double would change. */
const BIG = read.ok ? read.value : null;

const CALL: AgentCall = {
  execution_id: "e1",
  conversation_id: "c1",
  stage: "s",
  agent_type: "a",
  attempt: 1,
  query: "q {{context.secret}}",
  config: { style: "short" },
  inputs: { search: { found: [{ title: "T" }], n: BIG }, none: null },
  context: { secret: "x" },
  history: [{ query: "before", answer: { answer: "yes" } }],
  timeout_ms: 1,
};

describe("a text", () => {
  test.each([
    ["{{query}}", "q {{context.secret}}"],
    ["{{ inputs.search.found.0.title }}!", "T!"],
    ["{{inputs.search}}", '{"found":[{"title":"T"}],"n":12345678901234567890}'],
    ["{{config.style}}/{{conversation_id}}/{{execution_id}}", "short/c1/e1"],
    ["{{history.0.query}}", "before"],
    ["[{{inputs.none}}{{inputs.gone.x}}{{query.length}}{{constructor}}{{inputs.__proto__}}]", "[]"],
    ["{{}} { {query} } {{two words}}", "{{}} { {query} } {{two words}}"],
  ])("%j is %j", (template, text) => {
    expect(filledText(template, CALL)).toBe(text);
  });
});

test("of an object each text is filled; one that is a place alone becomes its value", () => {
  const template = {
    a: "{{inputs.search.found}}",
    b: ["{{query}}", "x{{inputs.search.found}}"],
    c: 1,
    d: "{{gone}}",
  };
  expect(filledObject(template, CALL)).toEqual({
    a: [{ title: "T" }],
    b: ["q {{context.secret}}", 'x[{"title":"T"}]'],
    c: 1,
    d: null,
  });
});

describe("without a template", () => {
  test("the prompt is the query with what there is of the inputs", () => {
    expect(defaultPrompt({ ...CALL, inputs: { a: { n: 1 }, none: null } })).toBe(
      `${CALL.query}\n\n{"a":{"n":1}}`,
    );
    expect(defaultPrompt({ ...CALL, inputs: { none: null } })).toBe(CALL.query);
  });

  test("what the stage's author made of them comes in their place", () => {
    expect(defaultPrompt({ ...CALL, input: { docs: 1 } })).toBe(`${CALL.query}\n\n{"docs":1}`);
  });
});
