// What the compiler knows of a stage's expressions and of its result: `tsc` fails where a line under @ts-expect-error has no
// error, or where any other line has one.
import { describe, expect, expectTypeOf, test } from "vitest";
import { agentRef } from "../../../src/client/pipeline/agent-ref.ts";
import { cel, type Expression, orElse } from "../../../src/client/pipeline/expression.ts";
import { pipeline, type PipelineResult } from "../../../src/client/pipeline/pipeline.ts";
import { answerer, last, rewriter, searchAgent, searched } from "./typed.ts";

describe("what expressions read", () => {
  test("results are those of the stages that it comes after", () => {
    const after = searched.stage("between", { agent: "x", depends_on: ["search"] });
    expect(
      last(
        after.stage("a", {
          agent: "x",
          depends_on: ["between"],
          input: ({ results }) => ({ total: results.search.total, question: results.rewrite.query }),
        }),
      ),
    ).toMatchObject({ input: { total: "results.search.total", question: "results.rewrite.query" } });
    searched.stage("a", {
      agent: "x",
      depends_on: ["rewrite"],
      // @ts-expect-error -- the stage does not wait for the search
      input: ({ results }) => ({ total: results.search.total }),
    });
    searched.stage("a", {
      agent: "x",
      depends_on: ["search"],
      // @ts-expect-error -- the search gives no `count`
      input: ({ results }) => ({ total: results.search.count }),
    });
  });

  test("expressions have the types of their fields", () => {
    const base = searched.stage("answer", {
      agent: answerer,
      config: { model: "m" },
      depends_on: ["search"],
    });
    const depends_on = ["answer"] as const;
    base.stage("a", { agent: "x", depends_on, when: ({ results }) => results.answer.grounded });
    // @ts-expect-error -- a string says neither yes nor no
    base.stage("a", { agent: "x", depends_on, when: ({ results }) => results.answer.answer });
    base.stage("a", { pipeline: "x", depends_on, query: ({ results }) => results.rewrite.query });
    // @ts-expect-error -- a question is a string
    base.stage("a", { pipeline: "x", depends_on, query: ({ results }) => results.search.total });
    // @ts-expect-error -- not a list
    base.stage("a", { agent: "x", depends_on, map: { over: ({ results }) => results.search.total } });
    // @ts-expect-error -- what is shown is an object
    base.stage("a", { depends_on, wait: { prompt: ({ query }) => query } });
    const typed = base.stage("a", {
      agent: "x",
      depends_on,
      when: ({ results }) => cel<boolean>`${results.search.total} > 0`,
    });
    expect(last(typed)).toMatchObject({ when: "results.search.total > 0" });
  });

  test("what may be null or missing needs another value", () => {
    const optional = pipeline("p")
      .stage("rewrite", { agent: rewriter, required: false })
      .stage("search", { agent: searchAgent, depends_on: ["rewrite"], when: "size(query) > 3" });
    const depends_on = ["search"] as const;
    optional.stage("a", {
      agent: "x",
      depends_on,
      // @ts-expect-error -- the rewriter may have failed
      input: ({ results }) => ({ question: results.rewrite.query }),
    });
    // @ts-expect-error -- the search may be skipped
    optional.stage("a", { agent: "x", depends_on, map: { over: ({ results }) => results.search.passages } });
    searched.stage("a", {
      agent: "x",
      depends_on,
      // @ts-expect-error -- an optional member
      input: ({ results }) => ({ title: results.search.best.title }),
    });
    searched.stage("a", {
      agent: "x",
      depends_on,
      // @ts-expect-error -- the search is always there
      input: ({ results }) => ({ t: orElse(results.search.total, 0) }),
    });
    searched.stage("a", {
      pipeline: "x",
      depends_on,
      query: ({ results }) => orElse(results.search.best.title, "nothing"),
    });
    searched.stage("a", {
      pipeline: "x",
      depends_on,
      // @ts-expect-error -- either a string or a number
      query: ({ results }) => orElse(results.search.best.title, 1),
    });
    // @ts-expect-error -- the note itself may be null
    searched.stage("a", { pipeline: "x", depends_on, query: ({ results }) => results.search.note });
    const typed = optional.stage("a", {
      agent: "x",
      depends_on,
      input: ({ results, query }) => ({
        question: orElse(results.rewrite.query, query),
        whole: results.search,
        note: orElse(results.search.note, "none"),
      }),
    });
    expect(last(typed)).toMatchObject({
      input: {
        question: "results.?rewrite.?query.orValue(query)",
        whole: "results.search",
        note: 'results.?search.?note.orValue("none")',
      },
    });
  });

  test("of what the compiler does not know anything is read", () => {
    const typed = pipeline("p")
      .stage("any", { agent: "x" })
      .stage("a", {
        pipeline: "y",
        depends_on: ["any"],
        query: ({ results }) => results.any.deep.question,
        context: ({ context }) => context.user,
        map: { over: ({ results }) => results.any.list },
      });
    expect(last(typed)).toMatchObject({
      query: "results.any.deep.question",
      context: "context.user",
      map: { over: "results.any.list" },
    });
  });

  test("nor whether it is there, which orElse and when take into account", () => {
    const typed = pipeline("p")
      .stage("any", { agent: "x" })
      .stage("maybe", { agent: rewriter, depends_on: ["any"], when: ({ results }) => results.any.flag });
    const depends_on = ["any", "maybe"] as const;
    // @ts-expect-error -- the rewriting may be skipped
    typed.stage("a", { pipeline: "y", depends_on, query: ({ results }) => results.maybe.query });
    // @ts-expect-error -- also where it is a part
    typed.stage("a", { agent: "y", depends_on, when: ({ results }) => cel`${results.maybe.query} != ""` });
    const last1 = typed.stage("a", {
      pipeline: "y",
      depends_on,
      query: ({ results }) => orElse(results.any.question, "none"),
    });
    expect(last(last1)).toMatchObject({ query: 'results.?any.?question.orValue("none")' });
  });

  test("items and iterations are there where a stage has them", () => {
    const depends_on = ["search"] as const;
    const typed = searched.stage("grade", {
      agent: agentRef<unknown, { grade: number }>("grader"),
      depends_on,
      map: { over: ({ results }) => results.search.passages },
      repeat: { until: ({ result, iteration }) => cel<boolean>`${result.grade} > ${iteration}`, max: 3 },
      input: ({ item, index, iteration, previous }) => {
        expectTypeOf(item.title).toExtend<Expression<string>>();
        expectTypeOf(index).toEqualTypeOf<Expression<number>>();
        return { title: item.title, index, iteration, before: orElse(previous.grade, 0) };
      },
    });
    expect(last(typed)).toMatchObject({
      map: { over: "results.search.passages" },
      repeat: { until: "result.grade > iteration", max: 3 },
      input: {
        title: "item.title",
        index: "index",
        iteration: "iteration",
        before: "previous.?grade.orValue(0.0)",
      },
    });
    searched.stage("a", {
      agent: "x",
      depends_on,
      map: { over: ({ results }) => results.search.passages },
      // @ts-expect-error -- a passage has no address
      input: ({ item }) => ({ url: item.url }),
    });
    // @ts-expect-error -- there is no map
    searched.stage("a", { agent: "x", depends_on, input: ({ item }) => ({ item }) });
    // @ts-expect-error -- there is no repeat
    searched.stage("a", { agent: "x", depends_on, input: ({ previous }) => ({ previous }) });
    searched.stage("a", {
      agent: "x",
      depends_on,
      map: { over: "results.search.passages" },
      input: ({ item }) => ({ url: item.url }),
    });
  });
});

describe("results", () => {
  test("a stage with map gives its items", () => {
    const typed = searched.stage("grade", {
      agent: agentRef<unknown, { grade: number }>("grader"),
      depends_on: ["search"],
      map: { over: "results.search.passages" },
    });
    type Result = PipelineResult<typeof typed>;
    expectTypeOf<Result["items"][number]["data"]>().toEqualTypeOf<{ grade: number } | null>();
    expectTypeOf<Result["failed"]>().toEqualTypeOf<number>();
    expect(last(typed)).toMatchObject({ map: { over: "results.search.passages" } });
  });

  test("a stage that may be skipped gives null", () => {
    const asked = pipeline("p").stage("approval", {
      wait: {
        schema: { type: "object", required: ["approved"], properties: { approved: { type: "boolean" } } },
        on_timeout: "skip",
      },
    });
    asked.stage("a", {
      agent: "x",
      depends_on: ["approval"],
      // @ts-expect-error -- it may have had no answer
      when: ({ results }) => results.approval.approved,
    });
    const typed = asked.stage("a", {
      agent: "x",
      depends_on: ["approval"],
      when: ({ results }) => orElse(results.approval.approved, false),
    });
    expect(last(typed)).toMatchObject({ when: "results.?approval.?approved.orValue(false)" });
  });

  test("a stage that runs a typed pipeline gives that pipeline's result", () => {
    const parent = pipeline("q")
      .stage("find", { pipeline: searched })
      .stage("a", { agent: "x", depends_on: ["find"], input: ({ results }) => ({ n: results.find.total }) });
    expect(parent.definition().stages).toEqual([
      { name: "find", pipeline: "p" },
      { name: "a", agent_type: "x", depends_on: ["find"], input: { n: "results.find.total" } },
    ]);
    const two = searched.stage("again", { agent: rewriter });
    expectTypeOf<PipelineResult<typeof two>["again"]["query"]>().toEqualTypeOf<string>();
    expectTypeOf<keyof PipelineResult<typeof two>>().toEqualTypeOf<"search" | "again">();
    pipeline("q")
      .stage("find", { pipeline: two })
      .stage("a", {
        agent: "x",
        depends_on: ["find"],
        // @ts-expect-error -- two stages are last, and results have their names
        input: ({ results }) => ({ n: results.find.total }),
      });
  });
});
