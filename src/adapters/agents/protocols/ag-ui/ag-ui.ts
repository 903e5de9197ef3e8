// The protocol `ag-ui`: an agent with an AG-UI endpoint, as `HttpAgent` and CopilotKit call it. One call is one run.
// src/contract/README.md section 15.
import type { AgUiOptions } from "../../../../contract/agent-options.ts";
import type { JsonObject } from "../../../../contract/json.ts";
import { err } from "../../../../contract/problem.ts";
import { isObject } from "../../../../core/json/json.ts";
import { readErrorBody } from "../../parse.ts";
import type {
  AgentProtocol,
  AnswerHooks,
  AnswerRead,
  ProtocolCall,
  ProtocolRequest,
} from "../../protocol.ts";
import type { AgentResponse } from "../../response.ts";
import { historyMessages, type Members, membersOf, wordOf } from "../members.ts";
import { answerOf, broken, cutOff, refused } from "../outcomes.ts";
import { filledText } from "../template.ts";
import { questionOf, resumeOf } from "./interrupts.ts";
import { type RunEnd, runReader, type RunTerms } from "./run-reader.ts";

/** The version that is spoken; servers of 0.x ignore it. */
const PROTOCOL_VERSION = "1.0";

export const agUi: AgentProtocol = {
  form: "a stream of AG-UI events",
  request: runRequest,
  read: readRun,
  readError: readErrorBody,
};

/** The answer to what the agent asked. */
type Answered = NonNullable<ProtocolCall["answer"]>;

function runRequest(asked: ProtocolCall): ProtocolRequest {
  const { call, answer } = asked;
  const options = asked.options as AgUiOptions;
  return {
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({
      threadId: call.conversation_id,
      runId: runId(asked),
      protocolVersion: PROTOCOL_VERSION,
      state: options.state ?? {},
      messages: messagesOf(options.prompt, call),
      tools: [],
      context: Object.entries(call.input ?? call.inputs).flatMap(([description, data]) =>
        data === null ? [] : [{ description, value: JSON.stringify(data) }],
      ),
      forwardedProps: options.forwarded_props ?? {},
      ...(answer === undefined ? {} : resumedRun(answer)),
    }),
  };
}

/** Every try of a call is the same run, and every answer to a question begins another. */
function runId({ idempotency_key, answer }: ProtocolCall): string {
  return answer === undefined ? idempotency_key : `${idempotency_key}.${answersOf(answer)}`;
}

/** How many answers a call has had with this one. */
function answersOf(answer: Answered | undefined): number {
  return answer === undefined ? 0 : Number(answer.continuation["answers"]) + 1;
}

function resumedRun({ continuation, data }: Answered): JsonObject {
  const { run_id, awaited, state } = continuation;
  return {
    ...(wordOf(run_id) === null ? {} : { parentRunId: run_id }),
    ...(state === undefined ? {} : { state }),
    resume: resumeOf(awaited, data),
  };
}

/** The ids are the execution's own: a server that keeps messages by their id takes none of them for another's. */
function messagesOf(prompt: string | undefined, call: ProtocolCall["call"]): JsonObject[] {
  const { execution_id, stage, history, query } = call;
  const earlier = historyMessages(history).map((message, place) => ({
    id: `${execution_id}.${stage}.history.${place}`,
    ...message,
  }));
  return [
    ...earlier,
    {
      id: `${execution_id}.${stage}.user`,
      role: "user",
      content: prompt === undefined ? query : filledText(prompt, call),
    },
  ];
}

async function readRun(
  response: AgentResponse,
  hooks: AnswerHooks,
  asked: ProtocolCall,
): Promise<AnswerRead> {
  const { answer } = asked;
  const options = asked.options as AgUiOptions;
  if (!response.isStream) return err(await response.unexpected("text/event-stream"));
  const terms: RunTerms = {
    sent_ids: new Set(messagesOf(options.prompt, asked.call).map(({ id }) => String(id))),
    state: answer?.continuation["state"] ?? options.state ?? {},
    keeps_state: options.keep_state,
  };
  const take = runReader(terms, hooks);
  const end = await response.events(({ data }) => take(data));
  if (end === null) return cutOff("the stream ended without RUN_FINISHED or RUN_ERROR");
  return outcomeOf(end, response.status, {
    run_id: runId(asked),
    answers: answersOf(answer),
  });
}

function outcomeOf(end: RunEnd, status: number, run: JsonObject): AnswerRead {
  switch (end.kind) {
    case "finished":
      return finished(end, status);
    case "interrupted": {
      if (end.interrupts.length === 0)
        return broken("RUN_FINISHED is an interrupt without interrupts", status);
      const { prompt, schema, awaited } = questionOf(end.interrupts);
      const state = end.state === undefined ? {} : { state: end.state };
      return { ok: "asks", prompt, schema, continuation: { ...run, awaited, ...state } };
    }
    case "cancelled":
      return refused(422, "the agent has cancelled its run", false);
    case "failed":
      return refused(end.status, end.message);
    case "malformed":
      return broken(end.detail, status);
  }
}

function finished(
  { text, result, usage, state }: Extract<RunEnd, { kind: "finished" }>,
  status: number,
): AnswerRead {
  const isOnlyText = !isObject(result) || Object.keys(result).length === 0;
  const data: Members = {
    ...(text !== "" || isOnlyText ? { answer: text || (typeof result === "string" ? result : "") } : {}),
    ...membersOf(result),
    ...(isObject(result) || typeof result === "string" || (result ?? null) === null ? {} : { result }),
    ...(state === undefined ? {} : { state }),
  };
  return answerOf("run", data, status, usage);
}
