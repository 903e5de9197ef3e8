// The protocol `langgraph`: a graph on a LangGraph server, called as a run without a thread. src/contract/README.md
// section 15.
import type { LangGraphOptions } from "../../../../contract/agent-options.ts";
import type { AgentRequest } from "../../../../engine/ports.ts";
import type { JsonObject } from "../../../../contract/json.ts";
import { err } from "../../../../contract/problem.ts";
import { clip, readErrorBody } from "../../parse.ts";
import type { AgentProtocol, AnswerHooks, AnswerRead, ProtocolRequest } from "../../protocol.ts";
import type { AgentResponse } from "../../response.ts";
import { contentText, historyMessages, listOf, type Members, membersOf, wordOf } from "../members.ts";
import { answerOf, broken, cutOff, refused } from "../outcomes.ts";
import { defaultPrompt, filledObject } from "../template.ts";
import { graphReader } from "./state-reader.ts";

/** Maximum number of characters shown of what a graph asks. */
const SHOWN_CHARS = 200;

export const langGraph: AgentProtocol = {
  form: "a stream of a graph's run",
  request: ({ call, options }) => graphRequest(options as LangGraphOptions, call),
  read: (response, hooks, { options }) =>
    readGraph(response, hooks, (options as LangGraphOptions).answer_node ?? null),
  readError: readErrorBody,
};

function graphRequest(
  { assistant_id, input }: LangGraphOptions,
  call: AgentRequest["call"],
): ProtocolRequest {
  return {
    path: "/runs/stream",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({
      assistant_id,
      input: input === undefined ? defaultInput(call) : filledObject(input, call),
      stream_mode: ["messages-tuple", "values", "custom"],
      on_disconnect: "cancel",
      on_completion: "delete",
    }),
  };
}

/** What most graphs take: the conversation as messages. */
function defaultInput(call: AgentRequest["call"]): JsonObject {
  return { messages: [...historyMessages(call.history), { role: "user", content: defaultPrompt(call) }] };
}

/** @param answer_node whose messages are streamed; null for those of all nodes */
async function readGraph(
  response: AgentResponse,
  hooks: AnswerHooks,
  answer_node: string | null,
): Promise<AnswerRead> {
  const { status } = response;
  if (!response.isStream) return err(await response.unexpected("text/event-stream"));
  const reader = graphReader(answer_node, hooks);
  const end = await response.events(({ event, data }) => reader.take(event ?? "", data));
  if (end?.kind === "failed") return refused(end.status, end.message);
  if (end !== null) return broken(end.detail, status);
  const { state, interrupts, text } = reader;
  if (interrupts.length > 0) {
    // A run without a thread has left nothing that an answer could go on from, so no person is asked.
    const asks = clip(interrupts.map(questionText).join("; ")).slice(0, SHOWN_CHARS);
    const detail = `the agent asks for more, and a run without a thread cannot be answered: ${asks}`;
    return refused(422, detail, false);
  }
  if (state === null) return cutOff("the stream ended without a state (values)");
  const answer = lastAnswer(state) ?? wordOf(state["answer"]) ?? wordOf(text);
  return answerOf("state", { ...state, ...(answer === null ? {} : { answer }) }, status);
}

/** The text of the state's last message, if it is the model's. */
function lastAnswer(state: Members): string | null {
  const { type, role, content } = membersOf(listOf(state["messages"]).at(-1));
  return type === "ai" || role === "assistant" ? wordOf(contentText(content)) : null;
}

function questionText(interrupt: unknown): string {
  const { value } = membersOf(interrupt);
  return wordOf(value) ?? wordOf(membersOf(value)["message"]) ?? JSON.stringify(value ?? interrupt);
}
