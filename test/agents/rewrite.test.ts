// query_rewriter and context_decision: what is asked, and whether sources are needed for it.
import { describe, expect, test } from "vitest";
import { decide } from "../../fixtures/agents/decide.ts";
import { normalise, resolve, topicOf } from "../../fixtures/agents/rewrite.ts";
import { agentsOver } from "./support.ts";

const turns = (...queries: string[]) => queries.map((query) => ({ query }));
const BREAKER = "How does the circuit breaker decide to open?";

test.each([
  ["  What   is “SGD”??? ", 'What is "SGD"?'],
  ["Hi, what is SGD?", "What is SGD?"],
  ["Thanks! And how is it reset?", "And how is it reset?"],
  ["Hello there!", "Hello there!"],
])("%j is normalised to %j", (query, expected) => {
  expect(normalise(query)).toBe(expected);
});

describe("follow-ups", () => {
  test.each([
    ["and how is it reset?", turns(BREAKER), "How is the circuit breaker reset?"],
    ["What about its probes?", turns(BREAKER), "The circuit breaker's probes?"],
    ["and how is it closed?", turns(BREAKER, "and how is it reset?"), "How is the circuit breaker closed?"],
    ["And for batteries?", turns("How long do solar modules last?"), "For batteries (solar modules)?"],
    ["why?", turns("What are the benefits of renewable energy?"), "Why (renewable energy)?"],
  ])("%j after %j", (query, history, expected) => {
    expect(resolve(query, history).query).toBe(expected);
  });

  test.each([
    ["Why does a model fail when it has seen too little?", turns(BREAKER)],
    ["How do I know that a stage was skipped?", turns(BREAKER)],
    ["How long may a single try take?", turns(BREAKER)],
    ["and how is it reset?", []],
    ["and how is it reset?", turns("why?")],
  ])("%j stands alone", (query, history) => {
    expect(resolve(query, history)).toEqual({ query, from: null });
  });

  test("the topic is the longest row of content words", () => {
    expect(topicOf("What are the benefits of renewable energy?")).toBe("renewable energy");
    expect(topicOf("how is it?")).toBe("");
  });
});

test("the agent answers the query, its expansions and what it was read with", async () => {
  const { data } = agentsOver();
  const history = [{ query: "What is SGD?", answer: { answer: "…" } }];
  expect(await data("query_rewriter", { query: "how is it tuned?", history })).toEqual({
    query: "How is SGD tuned?",
    original: "how is it tuned?",
    expansions: ["stochastic gradient descent"],
    resolved_from: "What is SGD?",
  });
  expect(await data("query_rewriter", { query: "What is SGD?", config: { expand: false } })).toMatchObject({
    expansions: [],
  });
});

describe("whether sources are needed", () => {
  test.each([
    ["Hello!", "greeting"],
    ["hi there, how are you?", "greeting"],
    ["Good morning", "greeting"],
    ["Thank you very much, that was helpful", "thanks"],
    ["ok", "thanks"],
    ["Bye, see you later", "farewell"],
    ["Who are you?", "about_the_assistant"],
    ["?!", "no_question"],
  ])("%j needs none: %s", (query, reason) => {
    expect(decide(query)).toEqual({ needs_retrieval: false, reason });
  });

  test.each([
    BREAKER,
    "Hi, what is SGD?",
    "thanks! and how is it reset?",
    "hello world programs in machine learning",
    "how is it?",
    "why?",
    "What is a good COP?",
  ])("%j needs them", (query) => {
    expect(decide(query).needs_retrieval).toBe(true);
  });
});
