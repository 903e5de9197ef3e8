// The relevance of the retrieval, measured: recall@3 by strategy, questions in words that their document's headings do
// not use, those of a developer's first hour, and questions that have no answer here.
import { beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { stem, terms } from "../../fixtures/agents/text.ts";
import { agentsOver, askAll, corpusDocuments, readCorpusFile } from "./support.ts";

const { answerable, developer, unanswerable } = z
  .object({
    answerable: z.array(z.object({ question: z.string(), document: z.string() })),
    /** What the answer must say, as a regular expression; and where from, where one document alone should say it. */
    developer: z.array(z.object({ question: z.string(), document: z.string().optional(), says: z.string() })),
    unanswerable: z.array(z.string()),
  })
  .parse(JSON.parse(readCorpusFile("questions.json")));

const agents = agentsOver();
const STRATEGIES = ["keyword", "vector", "hybrid"] as const;

/** The stems of a document's title and of all its headings. */
function headingStems(path: string): Set<string> {
  const text = corpusDocuments.find((document) => document.path === path)?.text ?? "";
  return new Set(terms([...text.matchAll(/^#+ (.+)$/gm)].map((match) => match[1]).join(" ")));
}

const inOtherWords = answerable.filter(({ question, document }) => {
  const heads = headingStems(document);
  return terms(question).every((term) => !heads.has(term));
});

async function found(question: string, strategy: string): Promise<string[]> {
  const rewriter = await agents.data("query_rewriter", { query: question });
  const { passages } = await agents.data<{ passages: { document: string }[] }>("source_retrieval", {
    query: question,
    inputs: { query_rewriting: rewriter },
    config: { search_strategy: strategy, max_results: 3 },
  });
  return passages.map((passage) => passage.document);
}

describe("recall@3", () => {
  const recall = new Map<string, { all: number; hard: number }>();

  beforeAll(async () => {
    for (const strategy of STRATEGIES) {
      const hits = new Set<string>();
      for (const { question, document } of answerable) {
        if ((await found(question, strategy)).includes(document)) hits.add(question);
      }
      const hard = inOtherWords.filter(({ question }) => hits.has(question)).length;
      recall.set(strategy, { all: hits.size / answerable.length, hard: hard / inOtherWords.length });
    }
    const lines = [...recall].map(
      ([strategy, { all, hard }]) =>
        `${strategy.padEnd(8)} ${all.toFixed(3)}  in other words ${hard.toFixed(3)}`,
    );
    console.info(
      `recall@3 of ${answerable.length} questions, ${inOtherWords.length} of them in other words\n${lines.join("\n")}`,
    );
  });

  test("there are 30 questions or more, 10 of which share no content word with a heading of their document", () => {
    expect(answerable.length).toBeGreaterThanOrEqual(30);
    expect(inOtherWords.length).toBeGreaterThanOrEqual(10);
    const known = new Set(corpusDocuments.map((document) => document.path));
    expect(answerable.filter(({ document }) => !known.has(document))).toEqual([]);
  });

  test.each([
    ["keyword", 0.85],
    ["vector", 0.85],
    ["hybrid", 0.9],
  ])("%s finds at least %d", (strategy, least) => {
    expect(recall.get(strategy)?.all).toBeGreaterThanOrEqual(least);
    expect(recall.get(strategy)?.hard).toBeGreaterThanOrEqual(0.8);
  });
});

describe("answers", () => {
  test("a question without an answer here gets none", async () => {
    expect(unanswerable.length).toBeGreaterThanOrEqual(10);
    for (const question of unanswerable) {
      const data = await askAll(agents, question);
      expect(data, question).toMatchObject({ citations: [], grounded: false });
      // The nearest passages are shown as such, and nothing is made of them.
      const [first, second, ...passages] = data.answer.split(/\n+/);
      expect(first, question).toBe("The sources do not answer this question.");
      expect([undefined, "The nearest passages, which may be about something else:"]).toContain(second);
      expect(passages, question).toHaveLength(data.nearest.length);
    }
  });

  test("nine tenths of the others are answered, and each sentence is in a cited document", async () => {
    let grounded = 0;
    for (const { question } of answerable) {
      const data = await askAll(agents, question);
      if (!data.grounded) continue;
      grounded++;
      const cited = new Set(data.citations.map((citation) => citation.document));
      const text = corpusDocuments
        .filter((document) => cited.has(document.path))
        .map((document) => document.text.replace(/\s+/g, " "))
        .join(" ");
      for (const part of data.answer.split(/\s*\[\d+\]\s*/).filter(Boolean))
        expect(text, question).toContain(part.replace(/\s+/g, " "));
    }
    expect(grounded / answerable.length).toBeGreaterThanOrEqual(0.9);
  });

  test("a developer's first hour has 25 questions or more", () => {
    expect(developer.length).toBeGreaterThanOrEqual(25);
  });

  test.each(developer)("$question", async ({ question, document, says }) => {
    const data = await askAll(agents, question);
    expect(data.answer).toMatch(new RegExp(says));
    expect(data.grounded).toBe(true);
    if (document !== undefined) expect(data.citations.map((cited) => cited.document)).toContain(document);
  });

  test("the circuit breaker opens after consecutive failures, and cites its source", async () => {
    const data = await askAll(agents, "How does the circuit breaker decide to open?");
    expect(data.answer).toMatch(/counts consecutive failures.*`failure_threshold`, 5 by default.*\[1\]/s);
    expect(data.citations[0]).toMatchObject({
      document: "circuit-breaker.md",
      heading: "How it decides to open",
    });
    expect(terms(data.answer)).toContain(stem("opens"));
  });
});
