// The text that clients of other protocols end with, by stage: each does what its protocol says, and no more.
import { A2aEncoder } from "../../../src/core/dialects/a2a/encoder.ts";
import { AgUiEncoder } from "../../../src/core/dialects/ag-ui/encoder.ts";
import { AiSdkEncoder } from "../../../src/core/dialects/ai-sdk.ts";
import type { StreamEvent } from "../../../src/core/dialects/answer-fold.ts";
import type { Encoder } from "../../../src/core/dialects/encoder.ts";
import { ChatCompletionEncoder } from "../../../src/core/dialects/openai/chat.ts";
import { ResponsesEncoder } from "../../../src/core/dialects/openai/responses.ts";

export type Texts = Record<string, string>;

// biome-ignore lint/suspicious/noExplicitAny: messages of five protocols, of which a few members are read
export type Message = any;

/** The messages of an encoder's stream, in their order. */
export function messagesOf(encoder: Encoder, events: readonly StreamEvent[]): Message[] {
  const text = events.map((event) => encoder.push(event)).join("");
  const data = Array.from(text.matchAll(/^data: (.*)$/gm), ([, json = ""]) => json);
  return data.filter((json) => json !== "[DONE]").map((json) => JSON.parse(json));
}

/** By stage; of a stage's parts each one that is left counts. */
function byStage(parts: ReadonlyMap<string, string>): Texts {
  const texts: Texts = {};
  for (const [id, text] of parts) {
    const stage = /s\d/.exec(id)?.[0] ?? id;
    if (text !== "") texts[stage] = (texts[stage] ?? "") + text;
  }
  return texts;
}

function readAiSdk(messages: readonly Message[]): Texts {
  const parts = new Map<string, string>();
  for (const { type, id, delta, providerMetadata } of messages) {
    if (type === "reset-step") parts.clear();
    if (type === "text-start") parts.set(id, "");
    if (type === "text-delta") parts.set(id, parts.get(id) + delta);
    if (type === "text-end" && providerMetadata?.coordinator.superseded === true) parts.delete(id);
  }
  return byStage(parts);
}

function readResponses(messages: readonly Message[]): Texts {
  const parts = new Map<string, string>();
  const places = new Map<number, string>();
  for (const { type, output_index, item, delta } of messages) {
    if (type === "response.output_item.added") {
      places.set(output_index, item.id);
      parts.set(item.id, "");
    }
    const id = places.get(output_index) ?? "";
    if (type === "response.output_text.delta") parts.set(id, parts.get(id) + delta);
    if (type === "response.output_item.done" && item.status === "incomplete") parts.delete(id);
  }
  return byStage(parts);
}

function readAgUi(messages: readonly Message[]): Texts {
  let parts = new Map<string, string>();
  for (const { type, messageId, delta, messages: whole } of messages) {
    if (type === "TEXT_MESSAGE_START") parts.set(messageId, "");
    if (type === "TEXT_MESSAGE_CONTENT") parts.set(messageId, parts.get(messageId) + delta);
    if (type === "MESSAGES_SNAPSHOT") {
      parts = new Map(whole.map(({ id, content }: Message) => [id, content]));
    }
  }
  return byStage(parts);
}

function readA2a(messages: readonly Message[]): Texts {
  const parts = new Map<string, string>();
  for (const { result } of messages) {
    const update = result.artifactUpdate;
    if (update === undefined) continue;
    const { artifactId, parts: given } = update.artifact;
    const before = update.append === true ? (parts.get(artifactId) ?? "") : "";
    parts.set(artifactId, before + given.map(({ text = "" }: Message) => text).join(""));
  }
  return byStage(parts);
}

interface Protocol {
  encoder: () => Encoder;
  read: (messages: readonly Message[]) => Texts;
}

/** What a Response says of the run that it is. */
export const RESPONSE = {
  execution_id: "e",
  model: "p",
  conversation_id: "c",
  background: false,
  instructions: null,
  previous_response_id: null,
  metadata: {},
};

/** The protocols whose clients can take text back. */
export const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  "AI SDK": { encoder: () => new AiSdkEncoder({ isVersion7: false, reasoning: false }), read: readAiSdk },
  "AI SDK 7": { encoder: () => new AiSdkEncoder({ isVersion7: true, reasoning: false }), read: readAiSdk },
  Responses: { encoder: () => new ResponsesEncoder(RESPONSE), read: readResponses },
  "AG-UI": {
    encoder: () =>
      new AgUiEncoder({
        threadId: "t",
        runId: "r",
        protocolVersion: "1.0",
        state: {},
        messages: [],
        resumed: null,
      }),
    read: readAgUi,
  },
  A2A: { encoder: () => new A2aEncoder({ id: 1, contextId: "c", answeredUpTo: 0 }), read: readA2a },
};

/** The one message of a chat completion. */
export function chatContent(events: readonly StreamEvent[]): string {
  const encoder = new ChatCompletionEncoder({ model: "p", includeUsage: false, reasoning: false });
  const chunks = messagesOf(encoder, events);
  return chunks.map(({ choices }) => choices?.[0].delta.content ?? "").join("");
}
