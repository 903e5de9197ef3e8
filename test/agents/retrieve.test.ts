// source_retrieval over small corpora: strategies, embeddings of Workers AI and without, CORPUS_URL.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { embedWith } from "../../fixtures/agents/embedder.ts";
import { fuse } from "../../fixtures/agents/fuse.ts";
import { agentsOver } from "./support.ts";

const documents = [
  { path: "cats.md", text: "# Cats\n\nA cat purrs when it is content and hunts mice at night." },
  {
    path: "dogs.md",
    text: "# Dogs\n\nA dog barks at strangers and fetches sticks all day.",
    url: "https://d.test",
  },
];
type Found = {
  passages: { document: string; score: number; coverage: number; url?: string }[];
  search_strategy: string;
  embeddings: string;
};

afterEach(() => {
  vi.restoreAllMocks();
});

describe("strategies", () => {
  test.each(["keyword", "vector", "hybrid"])("%s finds the right document first", async (search_strategy) => {
    const { data } = agentsOver(documents);
    const found = await data<Found>("source_retrieval", {
      query: "Why do dogs bark?",
      config: { search_strategy },
    });
    expect(found).toMatchObject({ search_strategy, embeddings: "local" });
    expect(found.passages[0]).toMatchObject({ document: "dogs.md", url: "https://d.test", coverage: 1 });
  });

  test("max_results bounds the passages, and hybrid is the default", async () => {
    const found = await agentsOver().data<Found>("source_retrieval", {
      query: "stage",
      config: { max_results: 2 },
    });
    expect(found.passages).toHaveLength(2);
    expect(found.search_strategy).toBe("hybrid");
  });

  test("nothing in common gives no passages", async () => {
    expect(
      (await agentsOver(documents).data<Found>("source_retrieval", { query: "xyzzy" })).passages,
    ).toEqual([]);
  });

  test("a strategy that does not exist is refused, an empty corpus too", async () => {
    const { respond } = agentsOver(documents);
    const refused = await respond("source_retrieval", { query: "x", config: { search_strategy: "psychic" } });
    expect(refused.status).toBe(400);
    const empty = await agentsOver([]).respond("source_retrieval", { query: "x" });
    expect(await empty.json()).toMatchObject({ status: 500, retryable: false });
  });

  test("fusion prefers what both rankings found", () => {
    const ranking = (...passages: number[]) => passages.map((passage) => ({ passage, score: 1 }));
    expect(fuse([ranking(1, 2, 3), ranking(4, 2)], 2).map((hit) => hit.passage)).toEqual([2, 1]);
  });
});

describe("Workers AI", () => {
  const vectorOf = (text: string) => (/dog|canine/i.test(text) ? [0, 1] : [1, 0]);
  const ai = (run: (model: string, input: { text: string[] }) => Promise<unknown>) =>
    ({ run }) as unknown as Ai;

  test("its embeddings are used where it is bound, and the passages are embedded once", async () => {
    const asked: number[] = [];
    const AI = ai(async (_model, { text }) => {
      asked.push(text.length);
      return { data: text.map(vectorOf) };
    });
    const { data } = agentsOver(documents);
    const options = { query: "canine", config: { search_strategy: "vector" }, environment: { AI } };
    const found = await data<Found>("source_retrieval", options);
    expect(found).toMatchObject({ embeddings: "workers-ai", passages: [{ document: "dogs.md" }] });
    await data("source_retrieval", options);
    expect(asked).toEqual([2, 1, 1]);
  });

  test("where it fails the local vectors serve, and the answer says so", async () => {
    vi.spyOn(console, "warn").mockReturnValue(undefined);
    for (const run of [
      () => Promise.reject(new Error("quota")),
      () => Promise.resolve({ data: "garbage" }),
    ]) {
      const found = await agentsOver(documents).data<Found>("source_retrieval", {
        query: "dogs",
        config: { search_strategy: "vector" },
        environment: { AI: ai(run) },
      });
      expect(found).toMatchObject({ embeddings: "local", passages: [{ document: "dogs.md" }] });
    }
  });

  test("many texts go in portions", async () => {
    const sizes: number[] = [];
    const vectors = await embedWith(
      async (texts) => {
        sizes.push(texts.length);
        return texts.map(() => [1]);
      },
      Array.from({ length: 230 }, () => "x"),
    );
    expect(sizes).toEqual([100, 100, 30]);
    expect(vectors).toHaveLength(230);
  });
});

describe("CORPUS_URL", () => {
  async function serving(
    body: string,
    status: number,
    use: (url: string, count: () => number) => Promise<void>,
  ) {
    let requests = 0;
    const server = createServer((_request, response) => {
      requests++;
      response.writeHead(status, { "content-type": "application/json" }).end(body);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, () => requests);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    }
  }

  test("another corpus is fetched once and searched instead of the bundled one", async () => {
    const body = JSON.stringify([
      { path: "bees.md", text: "# Bees\n\nA bee dances to show the way to flowers." },
    ]);
    await serving(body, 200, async (CORPUS_URL, count) => {
      const { data } = agentsOver(documents);
      for (const query of ["Why does a bee dance?", "flowers"]) {
        const found = await data<Found>("source_retrieval", { query, environment: { CORPUS_URL } });
        expect(found.passages.map((passage) => passage.document)).toEqual(["bees.md"]);
      }
      expect(count()).toBe(1);
    });
  });

  test.each([
    ["[]", 404, 503, true],
    ["{", 200, 503, true],
    ['{"path":"x"}', 200, 500, false],
  ])("the answer %j with %i is an error", async (body, status, expected, retryable) => {
    await serving(body, status, async (CORPUS_URL) => {
      const response = await agentsOver(documents).respond("source_retrieval", {
        query: "x",
        environment: { CORPUS_URL },
      });
      expect(await response.json()).toMatchObject({ status: expected, retryable });
    });
  });
});
