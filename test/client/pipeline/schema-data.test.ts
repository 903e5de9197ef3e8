// The types that JSON Schemas give to a stage's data: `tsc` fails where a line under @ts-expect-error has no error, or where
// any other line has one.
import { expect, expectTypeOf, test } from "vitest";
import { pipeline, type PipelineResult } from "../../../src/client/pipeline/pipeline.ts";
import type { SchemaData } from "../../../src/client/pipeline/schema-data.ts";
import { last, searched } from "./typed.ts";

test("a schema says what it says, and of the rest nothing is known", () => {
  expectTypeOf<SchemaData<{ type: "string"; minLength: 1 }>>().toEqualTypeOf<string>();
  expectTypeOf<SchemaData<{ const: 1 }>>().toEqualTypeOf<1>();
  expectTypeOf<SchemaData<{ type: "array"; items: { type: "integer" } }>>().toEqualTypeOf<number[]>();
  expectTypeOf<SchemaData<{ type: "array" }>>().toBeUnknown();
  expectTypeOf<SchemaData<{ type: ["string", "null"] }>>().toBeUnknown();
  expectTypeOf<SchemaData<{ properties: { a: { type: "string" } } }>>().toBeUnknown();
  expectTypeOf<SchemaData<Record<string, unknown>>>().toBeUnknown();
  const schema: Record<string, unknown> = { type: "object" };
  const typed = pipeline("p")
    .stage("approval", { wait: { schema } })
    .stage("a", {
      agent: "x",
      depends_on: ["approval"],
      input: ({ results }) => ({ any: results.approval.any }),
    });
  expect(last(typed)).toMatchObject({ input: { any: "results.approval.any" } });
});

test("a schema that is a literal gives the type of an answer, and of an agent without one", () => {
  const asked = searched.stage("approval", {
    depends_on: ["search"],
    wait: {
      schema: {
        type: "object",
        required: ["approved", "tags"],
        properties: {
          approved: { type: "boolean" },
          tags: { type: "array", items: { enum: ["new", "old"] } },
          remark: { type: "string" },
        },
      },
      on_timeout: { data: { approved: false, tags: ["old"] } },
    },
  });
  expectTypeOf<PipelineResult<typeof asked>>().branded.toEqualTypeOf<{
    approved: boolean;
    tags: ("new" | "old")[];
    remark?: string;
  }>();
  asked.stage("a", {
    agent: "x",
    depends_on: ["approval"],
    when: ({ results }) => results.approval.approved,
  });
  // @ts-expect-error -- the answer has no `ok`
  asked.stage("a", { agent: "x", depends_on: ["approval"], when: ({ results }) => results.approval.ok });
  const output_schema = {
    type: "object",
    required: ["n"],
    properties: { n: { type: "integer" } },
  } as const;
  const counted = pipeline("p").stage("count", { agent: "x", output_schema });
  expectTypeOf<PipelineResult<typeof counted>["n"]>().toEqualTypeOf<number>();
  pipeline("p").stage("count", {
    agent: "x",
    output_schema,
    // @ts-expect-error -- `n` is a number
    fallback: { strategy: "use_default", data: { n: "none" } },
  });
  pipeline("p").stage("approval", {
    wait: {
      schema: { type: "object", required: ["approved"], properties: { approved: { type: "boolean" } } },
      // @ts-expect-error -- `approved` is a boolean
      on_timeout: { data: { approved: "no" } },
    },
  });
});
