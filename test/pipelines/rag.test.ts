// The pipeline that every catalog has is written as its schema would give it, byte for byte.
import { expect, test } from "vitest";
import { PipelineDefinition } from "../../src/contract/pipeline.ts";
import { RAG } from "../../src/pipelines/rag.ts";

test("the specification's pipeline is what its schema makes of it", () => {
  expect(JSON.stringify(PipelineDefinition.parse(RAG))).toBe(JSON.stringify(RAG));
});
