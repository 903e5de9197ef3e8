// What the agents read of the stages before them: by the shape of the data, however the stages are called.
import { describe, expect, test } from "vitest";
import { decisionIn, foundIn, questionIn } from "../../fixtures/agents/inputs.ts";
import { type AnswerData, agentsOver, gadgets } from "./support.ts";

const passage = (document: string, text: string) => ({ document, title: document, heading: "Part", text });
const term = (name: string, weight: number, known: boolean) => ({ term: name, weight, known, also: [] });
const HUMS = passage("a.md", "A gadget hums softly.");
const GLOWS = passage("b.md", "A gadget glows green at night.");
const RUSTS = passage("c.md", "A gadget rusts in the rain.");
const QUERY = "Why does the gadget glow?";

describe("the question", () => {
  test.each([
    ["no input", {}, QUERY],
    ["a skipped stage", { rewriting: null }, QUERY],
    ["a stage called query_rewriting", { query_rewriting: { query: "B?" } }, "B?"],
    ["a stage called anything", { step_1: { decided: 1 }, step_2: { query: "B?" } }, "B?"],
    ["a field called rewritten_query", { first: { rewritten_query: "B?", query: "A?" } }, "B?"],
    ["a search alone", { find: { query: "B?", passages: [] } }, "B?"],
    ["a search before a rewriting", { find: { query: "A?", passages: [] }, rw: { query: "B?" } }, "B?"],
    ["a decision that repeats it", { d: { needs_retrieval: true, query: "A?" }, r: { query: "B?" } }, "B?"],
    ["an empty one", { rewriting: { query: " " } }, QUERY],
    ["one that is no text", { rewriting: { query: 7 } }, QUERY],
  ])("%s", (_what, inputs, expected) => {
    expect(questionIn(inputs, QUERY).query).toBe(expected);
  });

  test("has the expansions of the stage that it comes from", () => {
    const inputs = { find: { query: "A?", passages: [] }, rw: { query: "B?", expansions: ["b", "c"] } };
    expect(questionIn(inputs, QUERY)).toEqual({ query: "B?", expansions: ["b", "c"] });
    expect(questionIn({ rw: { query: "B?", expansions: "b" } }, QUERY).expansions).toEqual([]);
  });
});

test("the decision is the first input that has needs_retrieval", () => {
  const decision = { needs_retrieval: false, reason: "greeting" };
  expect(decisionIn({ a: null, b: { query: "B?" }, gate: decision })).toEqual(decision);
  expect(decisionIn({ a: { needs_retrieval: "no" } })).toBeUndefined();
});

describe("passages", () => {
  test("of several searches are merged in the order of the inputs, each once", () => {
    const inputs = {
      keyword_search: { passages: [GLOWS, HUMS] },
      decision: { needs_retrieval: true },
      failed_search: null,
      vector_search: { passages: [HUMS, RUSTS, GLOWS] },
    };
    expect(foundIn(inputs)?.passages).toEqual([GLOWS, HUMS, RUSTS]);
  });

  test("with the same text in two documents are two", () => {
    const copy = { ...HUMS, document: "copy.md" };
    expect(foundIn({ a: { passages: [HUMS] }, b: { passages: [copy] } })?.passages).toEqual([HUMS, copy]);
  });

  test("need a text alone", () => {
    const found = foundIn({ web: { passages: [{ text: "A." }, { text: "B.", url: "https://b.test" }] } });
    expect(found?.passages).toEqual([
      { text: "A.", document: "web", title: "web", heading: "web" },
      {
        text: "B.",
        document: "https://b.test",
        title: "https://b.test",
        heading: "https://b.test",
        url: "https://b.test",
      },
    ]);
  });

  test("no search is not the same as a search that found nothing", () => {
    expect(foundIn({ a: { query: "B?" }, b: null })).toBeUndefined();
    expect(foundIn({ a: { passages: [] } })).toEqual({ passages: [], terms: undefined });
  });

  test("a term's weight is of a corpus that knows the word", () => {
    const inputs = {
      a: { passages: [], terms: [term("gadget", 1, true), term("glow", 9, false)] },
      b: { passages: [], terms: [term("gadget", 2, true), term("glow", 3, true)] },
    };
    expect(foundIn(inputs)?.terms).toEqual([term("gadget", 1, true), term("glow", 3, true)]);
  });

  test("of another form are refused with the field's name", async () => {
    const response = await agentsOver().respond("answer_generation", {
      query: QUERY,
      inputs: { my_search: { passages: [HUMS, { text: 3 }] } },
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      detail: expect.stringContaining("inputs.my_search.passages.1.text: ") as unknown,
      retryable: false,
    });
  });
});

describe("the agents", () => {
  const agents = agentsOver();

  test("answer from two searches side by side, whose stages have names of their own", async () => {
    const query = "How does the circuit breaker decide to open?";
    const rewritten = await agents.data("query_rewriter", { query });
    const search = (search_strategy: string) =>
      agents.data("source_retrieval", {
        query,
        inputs: { query_rewriting: rewritten },
        config: { search_strategy, max_results: 3 },
      });
    const data = await agents.data<AnswerData>("answer_generation", {
      query,
      inputs: { keyword_retrieval: await search("keyword"), vector_retrieval: await search("vector") },
      config: { pace_ms: 0 },
    });
    expect(data).toMatchObject({ grounded: true, citations: [{ document: "circuit-breaker.md" }] });
    const cited = data.citations.map(({ document, heading }) => `${document} ${heading}`);
    expect(new Set(cited).size).toBe(cited.length);
  });

  test("answer from the searches that did not fail", async () => {
    const data = await agents.data<AnswerData>("answer_generation", {
      query: QUERY,
      inputs: { broken: null, other: gadgets },
      config: { pace_ms: 0 },
    });
    expect(data.answer).toBe("A gadget glows green at night. [1]");
  });

  test("search with the rewritten question, for any stage name", async () => {
    const found = await agents.data<{ query: string; expansions: string[] }>("source_retrieval", {
      query: "how is it reset?",
      inputs: { my_rewriter: { query: "How is the circuit breaker reset?", expansions: ["breaker"] } },
    });
    expect(found).toMatchObject({ query: "How is the circuit breaker reset?", expansions: ["breaker"] });
  });

  test("use a decision, for any stage name", async () => {
    const data = await agents.data<AnswerData>("answer_generation", {
      query: QUERY,
      inputs: { gate: { needs_retrieval: false, reason: "greeting" } },
      config: { pace_ms: 0 },
    });
    expect(data.answer).toMatch(/^Hello!/);
  });
});
