// answer_generation: quoted answers, citation styles, greetings, and the addresses.
import { describe, expect, test, vi } from "vitest";
import { Citations } from "../../fixtures/agents/answer/citations.ts";
import { plainTerms } from "../../fixtures/agents/answer/extract.ts";
import { nearest, nearestText } from "../../fixtures/agents/answer/nearest.ts";
import { paced } from "../../fixtures/agents/answer/pace.ts";
import { type AnswerData, agentsOver, askAll, gadgets as retrieval } from "./support.ts";

const agents = agentsOver();
const STREAM = "text/event-stream, application/json;q=0.9";
const BREAKER = "How does the circuit breaker decide to open?";

async function collect(pieces: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

describe("citations", () => {
  const cite = (style: "numeric" | "apa", ...pieces: string[]) => {
    const citations = new Citations(retrieval.passages, style);
    const text = pieces.map((piece) => citations.push(piece)).join("") + citations.end();
    return { text, list: citations.list() };
  };

  test("marks are numbered in the order of use, however the text is cut", () => {
    for (const pieces of [["B [2] and A [1], both [2, 1]."], "B [2] and A [1], both [2, 1].".split("")]) {
      const { text, list } = cite("numeric", ...pieces);
      expect(text).toBe("B [1] and A [2], both [1][2].");
      expect(list.map((citation) => [citation.index, citation.document])).toEqual([
        [1, "b.md"],
        [2, "a.md"],
      ]);
    }
  });

  test("APA names the title, n.d., and lists the reference", () => {
    const { text, list } = cite("apa", "It hums [1].");
    expect(text).toBe("It hums (“On a.md,” n.d.).");
    expect(list[0]?.reference).toBe("On a.md. (n.d.). Part. a.md");
  });

  test("a mark that names no source vanishes; other brackets stay", () => {
    const { text, list } = cite("numeric", "Invented [7]. A list [x] and an open [1");
    expect(text).toBe("Invented. A list [x] and an open [1");
    expect(list).toEqual([]);
  });
});

describe("quoted answers", () => {
  test("deltas make up the answer word by word, and the result comes last", async () => {
    const response = await agents.respond("answer_generation", {
      query: "Why does the gadget glow?",
      inputs: { source_retrieval: retrieval },
      config: { pace_ms: 0 },
      accept: STREAM,
    });
    const events = (await response.text()).trimEnd().split("\n\n");
    const parsed = events.map((event) => {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? [];
      return { name, data: JSON.parse(data ?? "null") as { text?: string; data?: AnswerData } };
    });
    const last = parsed.pop();
    expect(last?.name).toBe("result");
    expect(parsed.length).toBeGreaterThan(4);
    expect(parsed.map((event) => event.data.text).join("")).toBe(last?.data.data?.answer);
    expect(last?.data.data).toMatchObject({ grounded: true, citations: [{ index: 1, document: "b.md" }] });
    expect(last?.data.data?.answer).toBe("A gadget glows green at night. [1]");
  });

  test("APA is honoured from end to end", async () => {
    const data = await askAll(agents, BREAKER, { config: { citation_style: "apa" } });
    expect(data.answer).toMatch(/\(“The circuit breaker,” n\.d\.\)$/);
  });

  test("a follow-up is answered by what its conversation is about", async () => {
    const data = await askAll(agents, "and how is it reset?", { history: [{ query: BREAKER, answer: {} }] });
    expect(data.answer).toContain("the breaker closes, the count is reset to zero");
  });

  test("a strategy's sources change nothing in the form", async () => {
    for (const search_strategy of ["keyword", "vector"]) {
      expect(await askAll(agents, BREAKER, { search: { search_strategy } })).toMatchObject({
        grounded: true,
      });
    }
  });

  test("the pauses are bounded as a whole, and end with the signal", async () => {
    vi.useFakeTimers();
    try {
      const began = Date.now();
      const text = "word ".repeat(500);
      const all = collect(paced(text, 100, new AbortController().signal));
      await vi.runAllTimersAsync();
      expect((await all).join("")).toBe(text);
      expect(Date.now() - began).toBeLessThanOrEqual(1_500);

      const stop = new AbortController();
      const cut = expect(collect(paced("a b", 100, stop.signal))).rejects.toThrow("gone");
      await vi.advanceTimersByTimeAsync(10);
      stop.abort(new Error("gone"));
      await cut;
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("code and brackets of a source", () => {
  const steps = (text: string) => ({ passages: [{ ...retrieval.passages[0], text }] });
  const ask = (query: string, text: string) =>
    agents.data<AnswerData>("answer_generation", {
      query,
      inputs: { search: steps(text) },
      config: { pace_ms: 0 },
    });

  test("code is quoted line by line, and its mark is on a line of its own", async () => {
    const code = "```sh\ncurl -X PUT localhost \\\n  -d '[0]'\n```";
    const { answer } = await ask("How is a gadget registered?", `Register a gadget so:\n\n${code}`);
    expect(answer).toBe(`Register a gadget so:\n${code}\n[1]`);
  });

  test("a source's own brackets are no citations", async () => {
    const { answer, citations } = await ask(
      "How is a gadget read?",
      "A gadget is read as `list[0]`, see [7].",
    );
    expect(answer).toBe("A gadget is read as `list[0]`, see [7]. [1]");
    expect(citations).toHaveLength(1);
  });
});

describe("what the sources do not answer", () => {
  const ask = (query: string, environment = {}) =>
    agents.data<AnswerData>("answer_generation", {
      query,
      inputs: { search: retrieval },
      config: { pace_ms: 0 },
      environment,
    });

  test("is reported, with the nearest passages, which are not cited", async () => {
    const data = await ask("Which gadget did Amenhotep buy from Hatshepsut?");
    expect(data).toMatchObject({ citations: [], grounded: false, nearest: [{ document: "a.md" }, {}] });
    expect(data.answer).toBe(
      "The sources do not answer this question.\n\n" +
        "The nearest passages, which may be about something else:\n" +
        "- On a.md, “Part” (a.md): A gadget hums softly.\n" +
        "- On b.md, “Part” (b.md): A gadget glows green at night.",
    );
  });

  test("has no nearest passages where none speaks of anything in it", async () => {
    const data = await ask("Which Amenhotep met Hatshepsut?");
    expect(data).toMatchObject({ answer: "The sources do not answer this question.", nearest: [] });
  });

  test("has at most three, each with its first sentence, without code, and short", () => {
    const passage = (document: string, text: string) => ({
      document,
      title: document,
      heading: document,
      text,
    });
    const passages = [
      passage("far", "Nothing of it."),
      passage("half", `A gadget so:\n\n\`\`\`\nx\n\`\`\``),
      passage("long", `A gadget ${"very ".repeat(80)}long.`),
      passage("all", "A gadget glows. Second."),
      { ...passage("url", "A gadget again."), url: "https://a.test/x" },
    ];
    const wanted = plainTerms("gadget glows", passages);
    const found = nearest(wanted, passages);
    expect(found.map(({ document }) => document)).toEqual(["all", "half", "long"]);
    expect(found.map(({ text }) => text.length <= 201)).toEqual([true, true, true]);
    expect(found[1]?.text).toBe("A gadget so:");
    expect(nearestText(nearest(wanted, passages.slice(4)))).toContain("- url (https://a.test/x): A gadget");
  });
});

describe("without sources", () => {
  test.each([
    ["Hello!", /^Hello!/],
    ["thanks a lot", /welcome/],
    ["Who are you?", /^I answer questions/],
  ])("%j gets a polite answer", async (query, expected) => {
    const data = await askAll(agents, query);
    expect(data).toMatchObject({ citations: [], grounded: false });
    expect(data.answer).toMatch(expected);
  });

  test("a question whose retrieval failed is not answered from memory", async () => {
    for (const inputs of [{}, { source_retrieval: null, query_rewriting: null, context_decision: null }]) {
      const data = await agents.data<AnswerData>("answer_generation", {
        query: BREAKER,
        inputs,
        config: { pace_ms: 0 },
      });
      expect(data.answer).toContain("could not look into the sources");
    }
  });
});

test("the shared secret holds for each agent, and other addresses are 404", async () => {
  for (const agent of ["query_rewriter", "context_decision", "source_retrieval", "answer_generation"]) {
    expect((await agents.respond(agent, { environment: { AGENT_SECRET: "s" } })).status).toBe(401);
  }
  expect((await agents.respond("nobody")).status).toBe(404);
});
