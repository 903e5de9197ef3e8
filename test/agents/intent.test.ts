// What kind of answer a question asks for, and which sentences and sections are one.
import { describe, expect, test } from "vitest";
import { plainTerms } from "../../fixtures/agents/answer/extract.ts";
import { fitnessFor, intentOf } from "../../fixtures/agents/answer/intent.ts";
import { headingMatch } from "../../fixtures/agents/weights.ts";

test.each([
  ["How do I register an agent?", "steps"],
  ["How can we call it?", "steps"],
  ["how to pause a run", "steps"],
  ["how many stages?", "amount"],
  ["What is the maximum size of a result?", "amount"],
  ["How long may a run take?", "amount"],
  ["What is a stage?", "definition"],
  ["Why did it fail?", undefined],
  ["What does a run cost?", undefined],
])("%j asks for %s", (question, kind) => {
  const kinds = Object.entries(intentOf(question)).filter(([, asked]) => asked);
  expect(kinds.map(([name]) => name)).toEqual(kind === undefined ? [] : [kind]);
});

describe("from the best sentence to the worst", () => {
  test.each([
    [
      "how many stages?",
      [
        "A pipeline may have 64 stages.",
        "A stage may be tried at most 100 times.",
        "It takes 60 seconds, and then another stage is next.",
        "A stage has a name, as in `stage_1`.",
      ],
    ],
    [
      "How do I pause a run?",
      ["`POST /v1/pause` pauses a run.", "A run that is `paused` waits.", "A run may be paused."],
    ],
    ["What is a breaker?", ["A breaker is a switch.", "The agent behind a breaker is slow."]],
  ])("%s", (question, sentences) => {
    const wanted = plainTerms(question, []);
    const fitness = sentences.map((sentence) => fitnessFor(wanted, sentence, intentOf(question)));
    expect(fitness).toEqual([...new Set(fitness)].toSorted((a, b) => b - a));
  });
});

test("a heading is the question where it has all of it and nothing else; a title is none", () => {
  const wanted = plainTerms("how many stages?", []);
  const match = (heading: string) => headingMatch(wanted, { title: "Limits of stages", heading });
  expect(match("How many stages")).toBe(1);
  expect(match("Stages and layers")).toBe(0.5);
  expect(match("Layers")).toBe(0);
  expect(match("Limits of stages")).toBe(0);
});
