// Errors and hints of the verdict in the text that is being edited: each is marked where its JSON pointer leads, with any
// message.
import { expect, test } from "vitest";
import { hintMark, markOf } from "../../../src/console/pipelines/marks.ts";
import { readJson } from "../../../src/console/pipelines/json-text.ts";
import { checkDefinition } from "../../../src/core/pipeline/verdict.ts";
import { PipelineStage } from "../../../src/contract/stage.ts";

const isField = (name: string) => Object.hasOwn(PipelineStage.shape, name);

function marked(text: string, reword = (message: string) => message): string[] {
  const read = readJson(text);
  const { errors } = checkDefinition((read.value as { stages: unknown[] }).stages);
  return errors.map((error) => {
    const { from, to } = markOf({ ...error, message: reword(error.message) }, read, isField);
    return text.slice(from, to);
  });
}

const CASES: [string, string, string[]][] = [
  ["a bad value", '{"stages": [{"name": "a", "agent_type": "x", "retry_attempts": 0}]}', ["0"]],
  ["an unknown field", '{"stages": [{"name": "a", "agent_type": "x", "colour": 1}]}', ['"colour"']],
  ["a missing field", '{"stages": [{"name": "a"}]}', ['"a"']],
  ["a stage without a name", '{"stages": [{"agent_type": "x"}]}', ['{"agent_type": "x"}', '"stages"']],
  [
    "a duplicate name",
    '{"stages": [{"name": "a", "agent_type": "x"}, {"agent_type": "y", "name": "a"}]}',
    ['"a"'],
  ],
  [
    "a missing dependency after a stage without a name",
    '{"stages": [{"agent_type": 1}, {"name": "a", "agent_type": "x", "depends_on": ["gone"]}]}',
    ['{"agent_type": 1}', "1", '"gone"'],
  ],
  ["a condition", '{"stages": [{"name": "a", "agent_type": "x", "when": "1 +"}]}', ['"1 +"']],
  [
    "a cycle",
    '{"stages": [{"name": "a", "agent_type": "x", "depends_on": ["b"]}, {"name": "b", "agent_type": "x", "depends_on": ["a"]}]}',
    ['"b"'],
  ],
  ["an empty list", '{"stages": []}', ['"stages"']],
];

test.each(CASES)("%s is marked at its place", (_name, text, spans) => {
  expect(marked(text)).toEqual(spans);
});

test.each(CASES)("%s is marked there under any message", (_name, text, spans) => {
  expect(marked(text, () => "stage 7: depends_on: other words")).toEqual(spans);
});

test("without a pointer the stage's name is marked, as by coordinators of earlier versions", () => {
  const text = '{"stages": [{"name": "a", "agent_type": "x"}]}';
  const error = { code: "INVALID_PIPELINE_CONFIG" as const, message: "wrong", stage: "a" };
  const { from, to, stage } = markOf(error, readJson(text), isField);
  expect([text.slice(from, to), stage]).toEqual(['"a"', "a"]);
});

test("a hint is marked at the field that causes it", () => {
  const text =
    '{"stages": [{"name": "a", "pipeline": "inner", "parallel": false}, ' +
    '{"name": "b", "agent_type": "x", "when": "has(results.a)"}]}';
  const spanOf = (code: Parameters<typeof hintMark>[0]["code"], stage: string) => {
    const { from, to } = hintMark({ code, stage, message: "" }, readJson(text));
    return text.slice(from, to);
  };
  expect(spanOf("PIPELINE_NOT_FOUND", "a")).toBe('"inner"');
  expect(spanOf("INDEPENDENT_STAGES_ALONE", "a")).toBe("false");
  expect(spanOf("AGENT_NOT_REGISTERED", "b")).toBe('"x"');
  expect(spanOf("HAS_OF_A_STAGE", "b")).toBe('"has(results.a)"');
  expect(spanOf("HAS_OF_A_STAGE", "a")).toBe('"a"');
});
