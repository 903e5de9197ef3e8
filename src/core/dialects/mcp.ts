// MCP's tool calls: a run's events as progress, its end as the result of the call. A pipeline is a tool.
import type { PipelineExecution } from "../../contract/execution.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { StreamEvent } from "./answer-fold.ts";
import { citationTitle } from "./citations.ts";
import { type Encoder, finalAnswers, joinedAnswer, sseMessage } from "./encoder.ts";

/** Of JSON-RPC. */
export type RpcId = string | number;

/** What every result of the modern revision carries; nothing in those before. */
export type ResultFrame = JsonObject;

export interface McpCall {
  id: RpcId;
  frame: ResultFrame;
  /** Null where the caller wants no progress. */
  progressToken: RpcId | null;
}

export class McpEncoder implements Encoder {
  isOver = false;
  private readonly call: McpCall;
  private seq = 0;

  constructor(call: McpCall) {
    this.call = call;
  }

  push(event: StreamEvent): string {
    if ("seq" in event) this.seq = event.seq;
    switch (event.type) {
      case "execution.completed":
      case "execution.failed":
      case "execution.cancelled":
        this.isOver = true;
        return sseMessage(response(this.call.id, toolResult(event.data, this.call.frame)), "message");
      case "stage.delta":
        return "";
      case "stage.progress":
        // Between two logged events: progress must rise.
        return this.progress((event.data.fraction ?? 0) * 0.9, `${event.stage}: ${event.message}`);
      default:
        // Of the run itself, too: a caller sees that it is paused, and why nothing comes.
        return this.progress(
          0,
          event.stage === undefined ? event.message : `${event.stage}: ${event.message}`,
        );
    }
  }

  lost(): string {
    this.isOver = true;
    const error = { code: -32_603, message: "the stream broke off before the end of the run" };
    return sseMessage({ jsonrpc: "2.0", id: this.call.id, error }, "message");
  }

  private last = 0;

  private progress(fraction: number, message: string): string {
    const { progressToken } = this.call;
    if (progressToken === null) return "";
    const progress = this.seq + fraction;
    if (progress <= this.last) return "";
    this.last = progress;
    const params = { progressToken, progress, message };
    return sseMessage({ jsonrpc: "2.0", method: "notifications/progress", params }, "message");
  }
}

export function response(id: RpcId, result: JsonObject): JsonObject {
  return { jsonrpc: "2.0", id, result };
}

/** The result of a call: also of a run that has no answer, so that the model that has called it can read why. */
export function toolResult(execution: PipelineExecution, frame: ResultFrame): JsonObject {
  const { execution_id, status, final_result, error_info } = execution;
  if (status !== "completed") {
    const why =
      status === "failed"
        ? (error_info?.message ?? "the run failed")
        : `the execution ${execution_id} ${status === "waiting" ? "waits for an answer from outside" : `is ${status}`}`;
    return { ...toolError(why, frame), structuredContent: { execution_id, status } };
  }
  const answers = finalAnswers(execution);
  const links = answers.flatMap(({ citations }) =>
    citations.flatMap((citation) => {
      const { url } = citation;
      return url === undefined ? [] : [{ type: "resource_link", uri: url, name: citationTitle(citation) }];
    }),
  );
  return {
    ...frame,
    content: [{ type: "text", text: joinedAnswer(answers) }, ...links],
    structuredContent: { execution_id, status, result: final_result },
  };
}

/** A call that has no answer, in words. */
export function toolError(text: string, frame: ResultFrame): JsonObject {
  return { ...frame, content: [{ type: "text", text }], isError: true };
}

/** A pipeline as a tool. */
export function toolOf({ name, description, stages }: PipelineTool): JsonObject {
  const names = stages.map((stage) => stage.name).join(", ");
  return {
    name,
    title: name,
    description: description ?? `Runs the pipeline ${name} (${names}) and returns its answer.`,
    inputSchema: {
      type: "object",
      properties: {
        query: { type: "string", description: "The question or task." },
        conversation_id: {
          type: "string",
          description: "The same for every question of one conversation.",
        },
        context: { type: "object", description: "Further data for the agents." },
      },
      required: ["query"],
      additionalProperties: false,
    },
    outputSchema: {
      type: "object",
      properties: { execution_id: { type: "string" }, status: { type: "string" }, result: {} },
      required: ["execution_id", "status"],
    },
    annotations: { readOnlyHint: false, openWorldHint: true },
  };
}

interface PipelineTool {
  name: string;
  description?: string | undefined;
  stages: readonly { name: string }[];
}
