// What the demo prints when an execution has ended: its answer, its sources and a summary. Reads the data of the
// reference pipeline's last stage; of any other data it takes what it knows.
import * as z from "zod";
import { costOf, usageCostText } from "../../contract/cost.ts";
import { pathText } from "../../contract/critical-path.ts";
import type { PipelineExecution } from "../../contract/execution.ts";
import { duration } from "./text.ts";

const Final = z.object({
  answer: z.string(),
  citations: z.array(z.object({ index: z.number(), reference: z.string() })).default([]),
  citation_style: z.string().optional(),
  generator: z.string().optional(),
});

export interface Source {
  mark: string;
  reference: string;
}

export interface Ending {
  /** Null where the execution gave none. */
  answer: string | null;
  sources: Source[];
}

export function endingOf(execution: PipelineExecution): Ending {
  const final = Final.safeParse(execution.final_result);
  if (!final.success) return { answer: null, sources: [] };
  const { answer, citations, citation_style } = final.data;
  const sources = citations.map(({ index, reference }) => ({
    mark: citation_style === "apa" ? "–" : `[${index}]`,
    reference,
  }));
  return { answer, sources };
}

/** What happened in one line, the figures below it, and what to try next. */
export function closing(execution: PipelineExecution): { summary: string; details: string[] } {
  const { critical_path_ms, overhead_ms, retries, cache_hits } = execution.performance_metrics;
  const { error_info } = execution;
  const total = duration(execution.duration_ms ?? 0);
  const retried = retries === 0 ? "" : `, ${counted(retries, "retry", "retries")}`;
  const cached = cache_hits === 0 ? "" : `, ${counted(cache_hits, "stage")} from the cache`;
  const cost = costOf(execution.usage) === undefined ? "" : `, cost ${usageCostText(execution.usage)}`;
  const totals = `${total} in total, ${duration(overhead_ms)} of it in the coordinator${retried}${cached}${cost}`;
  return {
    summary: error_info === null ? totals : `${error_info.code} in ${error_info.message}`,
    details: [
      ...(error_info === null ? [] : [totals]),
      `critical path ${duration(critical_path_ms)}: ${pathText(execution, duration)}`,
      ...generatorHint(execution),
      CONSOLE_HINT,
    ],
  };
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

const CONSOLE_HINT = "Console: run `npm run dev`, then open http://localhost:8787/";

function generatorHint(execution: PipelineExecution): string[] {
  const final = Final.safeParse(execution.final_result);
  if (!final.success || final.data.generator !== "extractive") return [];
  return [
    "The answer quotes its sources. With LLM_BASE_URL, LLM_API_KEY and LLM_MODEL set, a model writes it.",
  ];
}
