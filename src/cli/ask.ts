// Asks the coordinator a question and reads the event stream that it answers with.
import { setTimeout as sleep } from "node:timers/promises";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { LifecycleEvent, StageDelta, StageProgress } from "../contract/event.ts";
import { PipelineExecution } from "../contract/execution.ts";
import { ExecutionList } from "../contract/execution-list.ts";
import { Problem } from "../contract/problem.ts";
import * as z from "zod";

const AnyEvent = z.union([LifecycleEvent, StageDelta, StageProgress]);
export type AnyEvent = z.infer<typeof AnyEvent>;

export interface Question {
  query: string;
  conversation_id: string;
}

/**
 * Every event of the execution, as it comes; the last one is terminal.
 * @throws where the question is refused (with the coordinator's own words) or the stream ends too early
 */
export async function* ask(
  base: string,
  { query, conversation_id }: Question,
): AsyncGenerator<AnyEvent, PipelineExecution, void> {
  const response = await fetch(`${base}/v1/executions`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({ query, conversation_id }),
  });
  if (!response.ok || response.body === null) throw new Error(await refusalOf(response));
  const events = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const { data } of events) {
    const event = AnyEvent.parse(JSON.parse(data));
    yield event;
    const execution = endOf(event);
    if (execution !== null) return execution.truncated ? await read(base, execution.execution_id) : execution;
  }
  throw new Error("The stream ended before the execution did.");
}

/** Resolves when the execution's end has been reported (usually within a second), or after two seconds. */
export async function remembered(
  base: string,
  { execution_id, conversation_id }: PipelineExecution,
): Promise<void> {
  const list = `${base}/v1/executions?conversation_id=${encodeURIComponent(conversation_id)}`;
  for (let tries = 0; tries < 40; tries += 1) {
    const response = await fetch(list);
    const { data } = ExecutionList.parse(await response.json());
    if (data.some((at) => at.execution_id === execution_id && at.status !== "running")) return;
    await sleep(50);
  }
}

const ENDS: ReadonlySet<string> = new Set(["execution.completed", "execution.failed", "execution.cancelled"]);

/** A terminal event carries the execution. */
function endOf(event: AnyEvent): PipelineExecution | null {
  return ENDS.has(event.type) ? PipelineExecution.parse(event.data) : null;
}

/** Fetches the data that was too large for its event. */
async function read(base: string, execution_id: string): Promise<PipelineExecution> {
  const response = await fetch(`${base}/v1/executions/${execution_id}`);
  if (!response.ok) throw new Error(await refusalOf(response));
  return PipelineExecution.parse(await response.json());
}

async function refusalOf(response: Response): Promise<string> {
  const problem = Problem.safeParse(await response.json().catch(() => null));
  if (!problem.success) return `The coordinator answered ${response.status}.`;
  return `${problem.data.code}: ${problem.data.detail}`;
}
