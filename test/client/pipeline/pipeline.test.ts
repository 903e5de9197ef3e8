// Typed definitions as data: each gives the JSON that is written by hand, which the coordinator accepts.
import { expect, test } from "vitest";
import type { answerGeneration } from "../../../fixtures/agents/answer/agent.ts";
import type { contextDecision } from "../../../fixtures/agents/decide.ts";
import type { sourceRetrieval } from "../../../fixtures/agents/retrieval/retrieve.ts";
import type { queryRewriter } from "../../../fixtures/agents/rewrite.ts";
import { FIVE_STAGE } from "../../../fixtures/pipelines/five-stage.ts";
import { REVIEWED } from "../../../fixtures/pipelines/reviewed.ts";
import { agentOf, agentRef } from "../../../src/client/pipeline/agent-ref.ts";
import { cel, orElse } from "../../../src/client/pipeline/expression.ts";
import { pipeline } from "../../../src/client/pipeline/pipeline.ts";
import { PipelineDefinition } from "../../../src/contract/pipeline.ts";
import { validatePipeline } from "../../../src/core/pipeline/validate.ts";
import { RAG } from "../../../src/pipelines/rag.ts";

const rewriter = agentOf<typeof queryRewriter>("query_rewriter");
const decision = agentOf<typeof contextDecision>("context_decision");
const answerer = agentOf<typeof answerGeneration>("answer_generation");
const searcher = (name: string) => agentOf<ReturnType<typeof sourceRetrieval>>(name);

/** The definition as the coordinator keeps it. */
function accepted(definition: unknown): PipelineDefinition {
  const parsed = PipelineDefinition.parse(definition);
  expect(validatePipeline(parsed.stages)).toEqual([]);
  return parsed;
}

test("the five stages", () => {
  const typed = pipeline("five")
    .stage("query_rewriting", { agent: rewriter })
    .stage("context_decision", { agent: decision, depends_on: ["query_rewriting"] })
    .stage("keyword_retrieval", {
      agent: searcher("keyword_retrieval"),
      depends_on: ["context_decision"],
      parallel: true,
    })
    .stage("vector_retrieval", {
      agent: searcher("vector_retrieval"),
      depends_on: ["context_decision"],
      parallel: true,
    })
    .stage("answer_generation", {
      agent: answerer,
      depends_on: ["keyword_retrieval", "vector_retrieval"],
    });
  expect(typed.name).toBe("five");
  expect(typed.definition()).toEqual({
    stages: [
      { name: "query_rewriting", agent_type: "query_rewriter" },
      { name: "context_decision", agent_type: "context_decision", depends_on: ["query_rewriting"] },
      {
        name: "keyword_retrieval",
        agent_type: "keyword_retrieval",
        depends_on: ["context_decision"],
        parallel: true,
      },
      {
        name: "vector_retrieval",
        agent_type: "vector_retrieval",
        depends_on: ["context_decision"],
        parallel: true,
      },
      {
        name: "answer_generation",
        agent_type: "answer_generation",
        depends_on: ["keyword_retrieval", "vector_retrieval"],
      },
    ],
  });
  expect(accepted(typed.definition())).toEqual(FIVE_STAGE);
});

const rag = pipeline("rag", {
  description: "Answers a question from a collection of documents, with citations.",
})
  .stage("query_rewriting", { agent: rewriter, required: false, parallel: true, timeout_seconds: 10 })
  .stage("context_decision", { agent: decision, parallel: true, timeout_seconds: 10 })
  .stage("source_retrieval", {
    agent: searcher("source_retrieval"),
    depends_on: ["query_rewriting", "context_decision"],
    timeout_seconds: 30,
    when: "results.?context_decision.?needs_retrieval.orValue(true) != false",
  })
  .stage("answer_generation", {
    agent: answerer,
    depends_on: ["query_rewriting", "context_decision", "source_retrieval"],
    timeout_seconds: 120,
  });

test("the pipeline that is there from the start", () => {
  expect(accepted(rag.definition())).toEqual(RAG);
});

test("a budget is the definition's, with any stages that are added after it", () => {
  const priced = pipeline("priced", { budget: { cost_usd: 0.5 } }).stage("one", { agent: "writer" });
  expect(priced.definition()).toEqual({
    budget: { cost_usd: 0.5 },
    stages: [{ name: "one", agent_type: "writer" }],
  });
  expect(accepted(priced.definition()).budget).toEqual({ cost_usd: 0.5, on_exceeded: "pause" });
});

test("a question to a person, and a stage that runs when the answer is yes", () => {
  const typed = rag
    .stage("approval", {
      depends_on: ["answer_generation"],
      wait: {
        prompt: ({ results }) => ({
          question: "Publish this answer?",
          draft: results.answer_generation.answer,
        }),
        schema: {
          type: "object",
          required: ["approved"],
          properties: {
            approved: { type: "boolean", title: "Approved" },
            remark: { type: "string", title: "Remark", maxLength: 500 },
          },
        },
      },
    })
    .stage("publish", {
      agent: agentRef("publish"),
      depends_on: ["answer_generation", "approval"],
      when: ({ results }) => results.approval.approved,
    });
  const { stages } = accepted(typed.definition());
  // The same prompt in the quotes of JSON.
  const prompt = '{"question": "Publish this answer?", "draft": results.answer_generation.answer}';
  expect(stages).toEqual(
    REVIEWED.stages.map((stage) => (stage.wait ? { ...stage, wait: { ...stage.wait, prompt } } : stage)),
  );
});

test("every field of the contract", () => {
  const grader = agentRef<{ strict?: boolean }, { grade: number; text: string }>("grader");
  const cheap = agentRef<{ strict?: boolean }, { grade: number; text: string }>("cheap-grader");
  const items = pipeline("items").stage("list", { agent: agentRef<unknown, { found: string[] }>("lister") });
  const typed = pipeline("all")
    .stage("list", {
      pipeline: items,
      parallel: true,
      query: ({ query }) => query,
      context: ({ query }) => ({ asked: query, depth: 1 }),
      timeout_seconds: 20,
      fallback: { strategy: "use_default", data: { found: [] } },
    })
    .stage("grade-all", {
      agent: grader,
      depends_on: ["list"],
      required: false,
      config: { strict: true },
      timeout_seconds: 5,
      retry_attempts: 2,
      when: ({ results }) => cel<boolean>`size(${results.list.found}) > 0`,
      output_schema: { type: "object", required: ["grade"] },
      map: {
        over: ({ results }) => results.list.found,
        max_items: 10,
        concurrency: 2,
        on_error: "collect",
      },
      repeat: {
        until: ({ result }) => cel<boolean>`${result.grade} >= ${0.5}`,
        max: 3,
        on_max: "accept",
      },
      input: ({ item, index, previous }) => ({
        text: item,
        index,
        before: orElse(previous.text, null),
        style: "short",
      }),
      fallback: { strategy: "use_simple_model", agent: cheap, config: { strict: false } },
      cache: { ttl_seconds: 60 },
      hedge_after_ms: 500,
      idle_timeout_seconds: 3,
      callback_timeout_seconds: 90,
      heartbeat_seconds: 30,
    })
    .stage("report", {
      agent: "reporter",
      depends_on: ["grade-all"],
      input: ({ results }) => ({ grades: orElse(results["grade-all"].items, []) }),
      on_input_required: "wait",
      input_timeout_seconds: 60,
      fallback: "use_cached_results",
      cache: true,
    });
  expect(typed.definition()).toEqual({
    stages: [
      {
        name: "list",
        pipeline: "items",
        parallel: true,
        query: "query",
        context: '{"asked": query, "depth": 1.0}',
        timeout_seconds: 20,
        fallback: { strategy: "use_default", data: { found: [] } },
      },
      {
        name: "grade-all",
        agent_type: "grader",
        depends_on: ["list"],
        required: false,
        config: { strict: true },
        timeout_seconds: 5,
        retry_attempts: 2,
        when: "size(results.list.found) > 0",
        output_schema: { type: "object", required: ["grade"] },
        map: { over: "results.list.found", max_items: 10, concurrency: 2, on_error: "collect" },
        repeat: { until: "result.grade >= 0.5", max: 3, on_max: "accept" },
        input: {
          text: "item",
          index: "index",
          before: "previous.?text.orValue(null)",
          style: '"short"',
        },
        fallback: { strategy: "use_simple_model", agent_type: "cheap-grader", config: { strict: false } },
        cache: { ttl_seconds: 60 },
        hedge_after_ms: 500,
        idle_timeout_seconds: 3,
        callback_timeout_seconds: 90,
        heartbeat_seconds: 30,
      },
      {
        name: "report",
        agent_type: "reporter",
        depends_on: ["grade-all"],
        input: { grades: 'results[?"grade-all"].?items.orValue([])' },
        on_input_required: "wait",
        input_timeout_seconds: 60,
        fallback: "use_cached_results",
        cache: true,
      },
    ],
  });
  accepted(typed.definition());
});

test("a definition is plain JSON of its own", () => {
  const config = { tags: ["a"] };
  const typed = pipeline("p").stage("a", { agent: "x", config, depends_on: [] });
  const first = typed.definition();
  expect(first).toStrictEqual({ stages: [{ name: "a", agent_type: "x", config, depends_on: [] }] });
  first.stages.length = 0;
  expect(typed.definition().stages[0]?.config).toEqual(config);
  expect(typed.definition().stages[0]?.config).not.toBe(config);
});
