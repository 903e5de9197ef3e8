// Reads the events of one AG-UI run (protocol 1.0, and the 0.x versions before it) up to its end.
import type { Usage } from "../../../../contract/stage.ts";
import { addUsage } from "../../../../contract/usage.ts";
import { isObject, readJson, readMembers } from "../../../../core/json/json.ts";
import type { AnswerHooks } from "../../protocol.ts";
import { contentText, listOf, type Members, membersOf, present, statusOf, wordOf } from "../members.ts";
import { PatchedDocument } from "./json-patch.ts";
import { runMessages } from "./messages.ts";

export type RunEnd =
  /** `state` is undefined where it is not kept. */
  | { kind: "finished"; text: string; result: unknown; usage: Usage | null; state: unknown }
  | { kind: "interrupted"; interrupts: readonly Interrupt[]; state: unknown }
  | { kind: "cancelled" }
  | { kind: "failed"; message: string | null; status: number | null }
  | { kind: "malformed"; detail: string };

export interface Interrupt {
  id: string;
  reason: string;
  message: string | null;
  /** Of the answer; null where any will do. */
  schema: Members | null;
  metadata: Members | null;
}

export interface RunTerms {
  /** What was sent: its messages are no part of the answer. */
  sent_ids: ReadonlySet<string>;
  /** The state that was sent; undefined where the run's state is not kept. */
  state: unknown;
  keeps_state: boolean;
}

/** @returns takes one event's data; gives the run's end with the event that ends it */
export function runReader(terms: RunTerms, hooks: AnswerHooks): (data: string) => RunEnd | null {
  const messages = runMessages(hooks);
  const state = new PatchedDocument(structuredClone(terms.state));
  /** Of other roles than the assistant's. */
  const others = new Set<string>();
  let chunked: string | null = null;
  let isThinking = false;

  const say = (id: string | null, piece: unknown) => {
    isThinking = false;
    if (id !== null && !others.has(id) && typeof piece === "string") messages.append(id, piece);
  };
  const begin = (id: string | null, role: unknown) => {
    if (id !== null && role !== undefined && role !== "assistant") others.add(id);
  };
  const think = () => {
    if (!isThinking) hooks.progress({ message: "thinking" });
    isThinking = true;
  };
  const ended = (event: Members): RunEnd => {
    const outcome = membersOf(event["outcome"]);
    const kept = terms.keeps_state ? state.value : undefined;
    if (outcome["type"] === "cancelled") return { kind: "cancelled" };
    if (outcome["type"] === "interrupt") {
      return { kind: "interrupted", interrupts: interruptsIn(outcome), state: kept };
    }
    const { result } = event;
    return { kind: "finished", text: messages.text(), result, usage: usageIn(event["usage"]), state: kept };
  };

  return (data) => {
    const event = readMembers(data);
    const type = event?.["type"];
    if (event === null || typeof type !== "string") return malformed("an event is no object with a type");
    // What a subagent says is its caller's matter.
    const isOwn = event["subagentRunId"] === undefined;
    const id = wordOf(event["messageId"]);
    switch (type) {
      case "TEXT_MESSAGE_START":
        if (isOwn) begin(id, event["role"]);
        return null;
      case "TEXT_MESSAGE_CONTENT":
        if (isOwn) say(id, event["delta"]);
        return null;
      case "TEXT_MESSAGE_CHUNK":
        if (!isOwn) return null;
        // Only a message's first chunk has to name it.
        if (id !== null && id !== chunked) begin(id, event["role"]);
        chunked = id ?? chunked;
        say(chunked, event["delta"]);
        return null;
      case "MESSAGES_SNAPSHOT":
        messages.replace(answersIn(listOf(event["messages"]), terms.sent_ids));
        return null;
      case "STEP_STARTED": {
        const message = wordOf(event["stepName"]);
        if (message !== null) hooks.progress({ message });
        return null;
      }
      case "REASONING_START":
      case "REASONING_MESSAGE_CONTENT":
      case "REASONING_MESSAGE_CHUNK":
      case "THINKING_START":
      case "THINKING_TEXT_MESSAGE_CONTENT":
        think();
        return null;
      case "STATE_SNAPSHOT":
      case "STATE_DELTA": {
        if (!terms.keeps_state || !isOwn) return null;
        const whole = readJson(data);
        if (!whole.ok) return malformed(`${type}: ${whole.error.pointer} ${whole.error.detail}`);
        const { snapshot = null, delta } = membersOf(whole.value);
        if (type === "STATE_SNAPSHOT") {
          state.value = snapshot;
          return null;
        }
        const fault = state.apply(delta);
        return fault === null ? null : malformed(`STATE_DELTA: ${fault}`);
      }
      case "RUN_FINISHED": {
        const whole = readJson(data);
        if (!whole.ok) return malformed(`RUN_FINISHED: ${whole.error.pointer} ${whole.error.detail}`);
        return ended(membersOf(whole.value));
      }
      case "RUN_ERROR":
        return { kind: "failed", message: wordOf(event["message"]), status: statusOf(event["code"]) };
      default:
        // Tool calls, activities and what later versions add are no part of the answer.
        return null;
    }
  };
}

function malformed(detail: string): RunEnd {
  return { kind: "malformed", detail };
}

/** The assistant's messages that answer: those after the last one of the user, but for any that were sent. */
function answersIn(messages: readonly unknown[], sent_ids: ReadonlySet<string>): [string, string][] {
  const all = messages.map(membersOf);
  return all.slice(all.findLastIndex(({ role }) => role === "user") + 1).flatMap(({ id, role, content }) => {
    const name = wordOf(id);
    if (name === null || role !== "assistant" || sent_ids.has(name)) return [];
    return [[name, contentText(content)] satisfies [string, string]];
  });
}

function interruptsIn(outcome: Members): Interrupt[] {
  return listOf(outcome["interrupts"])
    .map(membersOf)
    .flatMap(({ id, reason, message, responseSchema, metadata }) => {
      const name = wordOf(id);
      if (name === null) return [];
      return {
        id: name,
        reason: wordOf(reason) ?? "",
        message: wordOf(message),
        schema: isObject(responseSchema) ? responseSchema : null,
        metadata: isObject(metadata) ? metadata : null,
      };
    });
}

/** The sum of what the models of a run counted; null where none did. */
function usageIn(reported: unknown): Usage | null {
  const models = listOf(reported).map(membersOf);
  const sum = models.reduce<Usage>(
    (total, { inputTokens, outputTokens, reasoningTokens, cachedInputTokens }) =>
      addUsage(total, {
        input_tokens: inputTokens,
        output_tokens: outputTokens,
        reasoning_tokens: reasoningTokens,
        cached_input_tokens: cachedInputTokens,
      }),
    {},
  );
  if (Object.keys(sum).length === 0) return null;
  // Of several the names say nothing about the sum.
  const { model, provider } = models.length === 1 ? membersOf(models[0]) : ({} as Members);
  return { ...sum, ...present({ model: wordOf(model), provider: wordOf(provider) }) };
}
