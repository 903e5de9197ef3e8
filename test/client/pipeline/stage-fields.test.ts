// What the compiler takes as a stage: `tsc` fails where a line under @ts-expect-error has no error, or where any other line
// has one. What it takes is also made, and is what the contract has.
import { describe, expect, expectTypeOf, test } from "vitest";
import { agentRef } from "../../../src/client/pipeline/agent-ref.ts";
import { pipeline } from "../../../src/client/pipeline/pipeline.ts";
import type { Stage } from "../../../src/client/requests.ts";
import { answerer, last, rewriter, search, searchAgent, searched } from "./typed.ts";

describe("names", () => {
  test("a stage depends on earlier stages alone", () => {
    // @ts-expect-error -- no stage has this name
    searched.stage("a", { agent: "x", depends_on: ["serch"] });
    // @ts-expect-error -- not on itself
    searched.stage("a", { agent: "x", depends_on: ["a"] });
    // @ts-expect-error -- there is none before the first
    pipeline("p").stage("a", { agent: "x", depends_on: ["b"] });
    expect(last(searched.stage("a", { agent: "x", depends_on: ["rewrite", "search"] }))).toEqual({
      name: "a",
      agent_type: "x",
      depends_on: ["rewrite", "search"],
    });
  });

  test("a name is used once", () => {
    // @ts-expect-error -- the name of an earlier stage
    searched.stage("search", { agent: "x" });
    expect(last(searched.stage("search2", { agent: "x" }))).toEqual({ name: "search2", agent_type: "x" });
  });

  test("the pipeline that a stage is added to stays as it is", () => {
    searched.stage("a", { agent: "x" });
    expect(searched.definition().stages).toHaveLength(2);
    // @ts-expect-error -- `a` was added to another pipeline
    searched.stage("b", { agent: "x", depends_on: ["a"] });
  });
});

describe("agents", () => {
  test("the types of defineAgent are the reference's", () => {
    expectTypeOf(searchAgent["~types"]).toEqualTypeOf<
      | {
          config: { max_results?: number | undefined; strategy?: "keyword" | "vector" | undefined };
          inputs: { rewrite?: { query: string } | null | undefined };
          data: {
            passages: { title: string; score: number }[];
            best?: { title: string } | undefined;
            note: string | null;
            total: number;
          };
        }
      | undefined
    >();
    expectTypeOf(search).toBeCallableWith(new Request("http://agent.test"));
  });

  test("the config is the agent's", () => {
    pipeline("p").stage("a", { agent: searchAgent, config: { max_results: 3, strategy: "vector" } });
    // @ts-expect-error -- no such strategy
    pipeline("p").stage("a", { agent: searchAgent, config: { strategy: "hybrid" } });
    // @ts-expect-error -- no such member
    pipeline("p").stage("a", { agent: searchAgent, config: { results: 3 } });
    // @ts-expect-error -- this agent needs its model
    pipeline("p").stage("a", { agent: answerer });
    expect(last(pipeline("p").stage("a", { agent: "x", config: { any: "thing" } }))).toEqual({
      name: "a",
      agent_type: "x",
      config: { any: "thing" },
    });
  });

  test("the inputs that an agent names are what its stage depends on", () => {
    const numbered = agentRef<unknown, { query: number }>("numbered");
    const needs = agentRef<unknown, unknown, { search: { total: number } }>("counter");
    pipeline("p")
      .stage("rewrite", { agent: numbered })
      // @ts-expect-error -- its `query` is a number, and the search takes a string
      .stage("s", { agent: searchAgent, depends_on: ["rewrite"] });
    // @ts-expect-error -- the agent needs the data of `search`
    searched.stage("count", { agent: needs, depends_on: ["rewrite"] });
    const optional = pipeline("p").stage("search", { agent: searchAgent, required: false });
    // @ts-expect-error -- which may be null
    optional.stage("count", { agent: needs, depends_on: ["search"] });
    expect(last(searched.stage("count", { agent: needs, depends_on: ["search"] }))).toMatchObject({
      agent_type: "counter",
    });
  });

  test("a fallback gives data of the agent's type", () => {
    const data = { answer: "I do not know.", grounded: false };
    const config = { model: "m" };
    const typed = pipeline("p").stage("a", {
      agent: answerer,
      config,
      fallback: { strategy: "use_default", data },
    });
    expect(last(typed)).toMatchObject({ fallback: { strategy: "use_default", data } });
    pipeline("p").stage("a", {
      agent: answerer,
      config,
      // @ts-expect-error -- `grounded` is missing
      fallback: { strategy: "use_default", data: { answer: "I do not know." } },
    });
    pipeline("p").stage("a", {
      agent: answerer,
      config,
      // @ts-expect-error -- this agent gives something else
      fallback: { strategy: "use_simple_model", agent: rewriter },
    });
  });
});

describe("kinds", () => {
  test("a stage has exactly one of agent, wait and pipeline", () => {
    // @ts-expect-error -- none
    pipeline("p").stage("a", { depends_on: [] });
    // @ts-expect-error -- two
    pipeline("p").stage("a", { agent: "x", pipeline: "y" });
    // @ts-expect-error -- two
    pipeline("p").stage("a", { agent: "x", wait: {} });
    expect(last(pipeline("p").stage("a", { wait: {} }))).toEqual({ name: "a", wait: {} });
  });

  test("and the fields of its kind", () => {
    // @ts-expect-error -- nothing is called
    pipeline("p").stage("a", { wait: {}, input: { a: "query" } });
    // @ts-expect-error -- an agent is asked the run's own question
    pipeline("p").stage("a", { agent: "x", query: "query" });
    // @ts-expect-error -- the stages of the other pipeline have their own
    pipeline("p").stage("a", { pipeline: "x", retry_attempts: 2 });
    // @ts-expect-error -- there is no such field
    pipeline("p").stage("a", { agent: "x", timeout: 3 });
    expect(last(pipeline("p").stage("a", { pipeline: "x", query: "query" }))).toEqual({
      name: "a",
      pipeline: "x",
      query: "query",
    });
  });

  test("every field of the contract is one of a typed stage, but for what a value names", () => {
    type KeyOf<Fields> = Fields extends unknown ? keyof Fields : never;
    type Field = KeyOf<Parameters<typeof searched.stage>[1]>;
    expectTypeOf<Exclude<keyof Stage, Field>>().toEqualTypeOf<"name" | "agent_type">();
    expectTypeOf<Exclude<Field, keyof Stage>>().toEqualTypeOf<"agent">();
  });
});
