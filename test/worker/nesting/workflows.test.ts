// The workflows of fixtures/pipelines on one real workerd, with small functions over HTTP in place of their models: what
// they give, in what order their stages run, what each agent gets as `input`, and what follows where one of them fails.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CRITIC_LOOP } from "../../../fixtures/pipelines/critic-loop.ts";
import { eventually } from "../../support/eventually.ts";
import { startWorkflows, type Workflows } from "./workflows.ts";

let workflows: Workflows;
beforeAll(async () => {
  workflows = await startWorkflows();
});
afterAll(() => workflows.close());

const api: Workflows["api"] = (...call) => workflows.api(...call);
const run: Workflows["run"] = (...what) => workflows.run(...what);
const given: Workflows["given"] = (...what) => workflows.given(...what);
const order: Workflows["order"] = (id) => workflows.order(id);

test("all are written without a hint", () => {
  expect(workflows.written).toHaveLength(13);
  for (const each of workflows.written) expect(each).toMatchObject({ status: 201, hints: [] });
});

describe("retrieval with query fan-out", () => {
  test("searches the question and its other wordings, and goes on without one that fails", async () => {
    const { body, given: inputs, order: stages } = await run("rag-fan-out", { query: "heat pumps" });
    expect(stages).toEqual(["expand", "search", "fuse", "answer"]);
    expect(inputs("vector_search")).toEqual(
      expect.arrayContaining(
        ["heat pumps", "heat pumps basics", "heat pumps costs"].map((query) => ({ query })),
      ),
    );
    expect(body.stage_results.search.data).toMatchObject({ completed: 2, failed: 1 });
    expect(inputs("rank_fusion")).toEqual([
      {
        rankings: [
          ["vectors: heat pumps", "a common passage"],
          ["vectors: heat pumps basics", "a common passage"],
        ],
      },
    ]);
    expect(body.final_result).toEqual({
      answer: "heat pumps: vectors: heat pumps; a common passage; vectors: heat pumps basics",
    });
  });

  test("searches the question alone where there is no expander", async () => {
    const { body } = await run("rag-fan-out", { query: "sun", context: { down: ["query_expander"] } });
    expect(body.stage_results.expand.status).toBe("failed");
    expect(body.final_result).toEqual({ answer: "sun: vectors: sun; a common passage" });
  });
});

describe("the summary of documents", () => {
  const documents = [
    { title: "Wind", text: "Turbines turn. They also stop." },
    { title: "Sun", text: "Panels shine. They also age." },
  ];

  test("is made of the documents' own, in their order", async () => {
    const {
      body,
      given: inputs,
      order: stages,
    } = await run("map-reduce", {
      query: "energy",
      context: { documents },
    });
    expect(stages).toEqual(["summarize", "combine"]);
    expect(inputs("summarizer")).toHaveLength(2);
    expect(inputs("combiner")).toEqual([
      {
        about: "energy",
        summaries: [
          { title: "Wind", summary: "Turbines turn" },
          { title: "Sun", summary: "Panels shine" },
        ],
      },
    ]);
    expect(body.final_result).toEqual({ answer: "energy: Wind: Turbines turn; Sun: Panels shine" });
  });

  test("is not made where one of them fails", async () => {
    const context = { documents: [...documents, { title: "Nothing", text: "" }] };
    const { body, given: inputs } = await run("map-reduce", { query: "energy", context });
    expect(body).toMatchObject({ status: "failed", error_info: { failed_stage: "summarize" } });
    expect(body.error_info.message).toContain("there is no text");
    expect(inputs("combiner")).toEqual([]);
  });
});

describe("the critic", () => {
  test("mends the draft until it is good enough, each time with what it gave before", async () => {
    const { body, given: inputs, order: stages } = await run("critic-loop", { query: "tea" });
    expect(stages).toEqual(["write", "critique"]);
    expect(inputs("critic")).toEqual([
      { task: "tea", draft: "on tea", remarks: [] },
      { task: "tea", draft: "on tea!", remarks: ["remark 1"] },
      { task: "tea", draft: "on tea!!", remarks: ["remark 1", "remark 2"] },
    ]);
    expect(body.stage_results.critique.iterations).toBe(3);
    expect(body.final_result).toMatchObject({ draft: "on tea!!!", score: expect.closeTo(0.9) });
  });

  test("that is never content is taken at its last word, or fails the run", async () => {
    const accepted = await run("critic-loop", { query: "the hopeless" });
    expect(accepted.body).toMatchObject({
      status: "completed",
      final_result: { draft: "on the hopeless!!!!" },
    });
    const repeat = { ...CRITIC_LOOP.stages[1]?.repeat, on_max: "fail" };
    const refused = await run("critic-loop", {
      query: "the hopeless",
      pipeline_config: { critique: { repeat } },
    });
    expect(refused.given("critic")).toHaveLength(4);
    expect(refused.body).toMatchObject({
      status: "failed",
      error_info: { code: "AGENT_PROCESSING_ERROR", failed_stage: "critique" },
    });
  });
});

describe("the router", () => {
  test.each([
    ["an invoice", ["billing", "-technical", "-general"], "billing has an invoice"],
    ["a crash", ["-billing", "technical", "-general"], "support has a crash"],
    ["a poem", ["-billing", "-technical", "general"], "a person has a poem"],
    ["nothing much", ["-billing", "-technical", "general"], "a person has nothing much"],
  ])("has %s answered by one agent", async (query, branches, answer) => {
    const { body, order: stages } = await run("router", { query });
    expect(stages.toSorted()).toEqual(["classify", ...branches, "reply"].toSorted());
    expect(stages.at(-1)).toBe("reply");
    expect(body.final_result).toEqual({ answer: `Dear customer, ${answer}.` });
  });

  test("takes the default while the classifier is down", async () => {
    const { body } = await run("router", { query: "an invoice", context: { down: ["classifier"] } });
    expect(body.final_result).toEqual({ answer: "Dear customer, a person has an invoice." });
  });
});

describe("the approval", () => {
  const answered = async (data: object) => {
    const { id, body } = await run("approval", { query: "tea" });
    expect(body).toMatchObject({ status: "waiting", stage_results: { approval: { status: "waiting" } } });
    const waits = await eventually(
      async () => (await api("GET", `/v1/waits?conversation_id=${id}`)).body.data,
      (list) => list.length === 1,
    );
    expect(waits[0].prompt).toEqual({ question: "Publish this?", draft: "on tea" });
    const answer = await api("POST", `/v1/executions/${id}/stages/approval/complete`, { data });
    expect(answer.status).toBe(200);
    const ended = await eventually(
      async () => (await api("GET", `/v1/executions/${id}`)).body,
      ({ status }) => status === "completed",
    );
    return { id, result: ended.final_result };
  };

  test("publishes what was approved", async () => {
    const { id, result } = await answered({ approved: true });
    expect(result).toEqual({ publish: { published: "on tea" }, revise: null });
    expect(given(id, "writer")).toEqual([{ task: "tea" }]);
    expect((await order(id)).toSorted()).toEqual(["-revise", "draft", "publish"]);
  });

  test("gives what was refused back to its writer, with the remark", async () => {
    const { id, result } = await answered({ approved: false, remark: "shorter" });
    expect(result).toEqual({ publish: null, revise: { draft: "on tea, shorter" } });
    expect(given(id, "writer")[1]).toEqual({ task: "tea", draft: "on tea", remark: "shorter" });
    expect(given(id, "publisher")).toEqual([]);
  });
});

test("the research has each question investigated, and its report written again until it is accepted", async () => {
  const { id, body, given: inputs, order: stages } = await run("research", { query: "tea" });
  expect(stages).toEqual(["plan", "investigate", "report"]);
  const { items, completed, failed } = body.stage_results.investigate.data;
  expect([completed, failed]).toEqual([2, 1]);
  expect(items[2].error.message).toContain("nothing is public");
  expect(inputs("report_writer")).toEqual(
    [
      { draft: "", remark: "" },
      { draft: expect.stringMatching(/^tea: noted/), remark: "sources" },
    ].map((about) => ({
      task: "tea",
      notes: ["history", "price"].map((of) => `noted from a page on the ${of} of tea`),
      ...about,
    })),
  );
  expect(body.final_result).toEqual({
    accepted: true,
    remark: "",
    draft: "tea: noted from a page on the history of tea, noted from a page on the price of tea (sources)",
  });
  const within = await eventually(
    async () => {
      const lists = ["investigation", "reviewed_draft"].map((name) =>
        api("GET", `/v1/executions?pipeline=${name}`),
      );
      const all = (await Promise.all(lists)).flatMap((list) => list.body.data);
      return all.filter(({ parent }) => parent.execution_id === id);
    },
    (list) => list.length === 5,
  );
  expect(within.filter(({ parent }) => parent.stage === "report")).toHaveLength(2);
});

test("a fork of the research writes its report again from what was found", async () => {
  const { id } = await run("research", { query: "milk" });
  const forked = await api("POST", `/v1/executions/${id}/fork`, { from: "report" });
  expect(forked.body).toMatchObject({
    status: "completed",
    stage_results: {
      investigate: { reused_from: { execution_id: id } },
      report: { reused_from: null, data: { accepted: true } },
    },
  });
  expect(given(id, "web_search")).toHaveLength(3);
  expect(given(id, "report_writer")).toHaveLength(4);
  // An agent within is another one now.
  await api("PUT", "/v1/agents/note_taker", { url: workflows.agents.url("/note_taker") });
  const plan = await api("POST", `/v1/executions/${id}/fork`, { dry_run: true });
  expect(plan.body).toEqual({
    reused: ["plan"],
    rerun: [
      { stage: "investigate", reason: "registration" },
      { stage: "report", reason: "depends on investigate" },
    ],
  });
});

describe("parallel retrieval", () => {
  test("answers from what the reranker makes of both searches", async () => {
    const { body, given: inputs, order: stages } = await run("parallel-retrieval", { query: "tea" });
    expect(stages).toEqual(["keyword", "vector", "rerank", "answer"]);
    const passages = ["keywords: tea", "vectors: tea", "a common passage"];
    expect(inputs("reranker")).toEqual([{ query: "tea", passages }]);
    expect(inputs("answer_writer")).toEqual([{ question: "tea", passages: passages.toReversed() }]);
    expect(body.status).toBe("completed");
  });

  test.each([
    [["reranker"], ["keywords: tea", "vectors: tea", "a common passage"]],
    [
      ["keyword_search", "reranker"],
      ["vectors: tea", "a common passage"],
    ],
    [["vector_search"], ["keywords: tea"]],
    [["keyword_search", "vector_search"], []],
  ])("answers without %j", async (down, passages) => {
    const { body, given: inputs } = await run("parallel-retrieval", { query: "tea", context: { down } });
    expect(body.status).toBe("completed");
    expect(inputs("answer_writer")).toEqual([{ question: "tea", passages }]);
  });
});

describe("the ingestion", () => {
  test("indexes the documents that can be read, and names the others", async () => {
    const urls = ["/one", "/gone", "/empty", "/two"];
    const {
      body,
      given: inputs,
      order: stages,
    } = await run("ingestion", {
      query: "nightly",
      context: { urls },
    });
    expect(stages).toEqual(["fetch", "embed", "index", "report"]);
    expect(inputs("indexer")).toEqual([
      {
        documents: ["/one", "/two"].map((url) => ({
          url,
          chunks: [{ text: `the text of ${url}`, vector: [16, 1] }],
        })),
      },
    ]);
    expect(body.stage_results.index.data).toEqual({ indexed: ["/one", "/two"] });
    expect(body.final_result).toEqual({
      indexed: 2,
      not_fetched: [{ url: "/gone", why: expect.stringContaining("/gone is gone") }],
      not_embedded: [expect.stringContaining("/empty has no text")],
    });
  });

  test("indexes nothing where there is nothing", async () => {
    const { body, order: stages } = await run("ingestion", {
      query: "nightly",
      context: { urls: ["/gone"] },
    });
    expect(stages).toEqual(["fetch", "embed", "-index", "report"]);
    expect(body.final_result).toMatchObject({ indexed: 0, not_fetched: [{ url: "/gone" }] });
  });
});

describe("the vote", () => {
  const ask = (votes: string, down: string[] = []) =>
    run("vote", { query: `Is it? ${votes}`, context: { down } });

  test("is what two of three say", async () => {
    const { body, given: inputs, order: stages } = await ask("a:no b:yes c:yes");
    expect(stages.slice(0, 3).toSorted()).toEqual(["model_a", "model_b", "model_c"]);
    expect(stages.slice(3)).toEqual(["-tie_break", "verdict"]);
    expect(inputs("explainer")).toMatchObject([{ votes: ["no", "yes", "yes"], choice: "yes" }]);
    expect(body.final_result).toEqual({ answer: "yes, of no yes yes" });
  });

  test("is decided by a larger model where no two agree", async () => {
    const { body, given: inputs } = await ask("a:no b:yes c:unclear");
    expect(inputs("large_model")).toMatchObject([{ votes: ["no", "yes", "unclear"] }]);
    expect(body.final_result).toEqual({ answer: "no, of no yes unclear" });
  });

  test("goes on without a model that is down", async () => {
    const agreed = await ask("a:no b:yes c:no", ["model_b"]);
    expect(agreed.body.final_result).toEqual({ answer: "no, of no no" });
    const split = await ask("a:no b:yes c:yes", ["model_c"]);
    expect(split.given("large_model")).toHaveLength(1);
    const none = await ask("a:no b:no c:no", ["model_a", "model_b", "model_c"]);
    expect(none.body.final_result).toEqual({ answer: "yes, of " });
  });

  test("is asked of a model again where it is none of the choices", async () => {
    const { id, body } = await ask("a:no b:yes c:perhaps");
    const calls = workflows.agents.callsOf("/model_c").filter((call) => call.body.conversation_id === id);
    expect(calls.map((call) => call.body.previous_error?.code)).toEqual([
      undefined,
      "AGENT_PROCESSING_ERROR",
    ]);
    expect(body.stage_results.model_c).toMatchObject({ attempts: 2, data: { choice: "unclear" } });
  });
});

describe("the translation", () => {
  const context = { language: "de" };

  test("is made again where it does not come back as it was, paragraph by paragraph", async () => {
    const {
      body,
      given: inputs,
      order: stages,
    } = await run("translation", {
      query: "by the bank\n\n\n\na house ",
      context,
    });
    expect(stages).toEqual(["paragraphs", "proofread"]);
    const asked = inputs("translator") as { text: string; language: string; objection: string }[];
    const forward = asked.filter(({ language }) => language === "de");
    expect(forward.filter(({ text }) => text === "by the bank")).toEqual([
      { text: "by the bank", language: "de", objection: "" },
      { text: "by the bank", language: "de", objection: "became: by the shore" },
    ]);
    expect(forward.filter(({ text }) => text === "a house")).toHaveLength(1);
    expect(asked.filter(({ language }) => language === "en")).toHaveLength(3);
    expect(body.final_result).toEqual({ answer: "de<by the bank>\n\nde<a house>" });
  });

  test("that never comes back as it was fails the run", async () => {
    const { body, given: inputs } = await run("translation", { query: "the cursed", context });
    expect(inputs("comparer")).toHaveLength(3);
    expect(body).toMatchObject({
      status: "failed",
      error_info: { code: "AGENT_PROCESSING_ERROR", failed_stage: "paragraphs" },
    });
    expect(inputs("proofreader")).toEqual([]);
  });
});
