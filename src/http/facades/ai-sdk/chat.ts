// /v1/chat and /v1/pipelines/:name/chat: the AI SDK's useChat as it is, by its DefaultChatTransport. A chat is a
// conversation; its stream is taken up again from the beginning, and its stop ends the run.
import { endpoint } from "../../endpoint.ts";
import { DEFINITION_ERRORS, OBJECT_ERRORS } from "../../openapi/description.ts";
import { JSON_TYPE, SSE_TYPE } from "../../route.ts";
import { conversationId } from "../../runs/identify.ts";
import { MESSAGES, pipelineName, RUN_POST } from "../facade.ts";
import { ChatRequest, StopRequest } from "./messages.ts";
import { resumeChat, startChat, stopChat } from "./serve.ts";

const DEFAULT_PIPELINE = "rag";

const chat_id = conversationId;
const name = pipelineName;

/** Of a message that answers approvals. */
const APPROVAL_ERRORS = ["EXECUTION_NOT_FOUND", "STAGE_NOT_FOUND", "SCHEMA_MISMATCH"] as const;

const START = {
  ...RUN_POST,
  body: { name: "ChatRequest", schema: ChatRequest, ...MESSAGES },
  describe: () => ({
    summary: "Answer the last message of a chat of the AI SDK, as its UI message stream",
    headers: ["Idempotency-Key"],
    answers: {
      200: "The UI message stream; ?ui=7 for that of version 7, ?reasoning with other stages' text, ?approvals with questions as tool approvals",
    },
    errors: [
      "PIPELINE_NOT_FOUND",
      "CONVERSATION_BUSY",
      ...APPROVAL_ERRORS,
      ...OBJECT_ERRORS,
      ...DEFINITION_ERRORS,
    ] as const,
  }),
} as const;

const RESUME = {
  method: "get",
  permission: "read",
  produces: [SSE_TYPE, JSON_TYPE],
  any_accept: true,
  any_query: true,
  answers: { 200: { media: SSE_TYPE }, 204: null },
  describe: () => ({
    summary: "Take up the stream of a chat's run again, from its beginning",
    answers: { 200: "The UI message stream", 204: "No run of the chat goes on" },
    errors: OBJECT_ERRORS,
  }),
} as const;

const STOP = {
  method: "post",
  permission: "execute",
  any_accept: true,
  any_query: true,
  body: { name: "ChatStopRequest", schema: StopRequest, absent: {} },
  answers: { 200: "ChatStopped" },
  describe: () => ({
    summary: "End the run of a chat",
    answers: { 200: "It is ended, or has ended before" },
    errors: OBJECT_ERRORS,
  }),
} as const;

export const chat = [
  endpoint({
    id: "chat",
    path: "/v1/chat",
    ...START,
    handle: ({ call, body, sent }) => startChat(call, body, sent, body.pipeline ?? DEFAULT_PIPELINE),
  }),
  endpoint({
    id: "resume_chat",
    path: "/v1/chat/:chat_id/stream",
    ...RESUME,
    params: { chat_id },
    handle: ({ call, params }) => resumeChat(call, params.chat_id),
  }),
  endpoint({
    id: "stop_chat",
    path: "/v1/chat/:chat_id/stop",
    ...STOP,
    params: { chat_id },
    handle: async ({ call, params, body }) => {
      const stopped = await stopChat(call, params.chat_id, body);
      return stopped.ok ? { status: 200, json: { success: true } } : stopped;
    },
  }),
  // The same with the pipeline in the path.
  endpoint({
    id: "chat_with_pipeline",
    path: "/v1/pipelines/:name/chat",
    ...START,
    params: { name },
    handle: ({ call, params, body, sent }) => startChat(call, body, sent, params.name),
  }),
  endpoint({
    id: "resume_chat_with_pipeline",
    path: "/v1/pipelines/:name/chat/:chat_id/stream",
    ...RESUME,
    params: { name, chat_id },
    handle: ({ call, params }) => resumeChat(call, params.chat_id),
  }),
  endpoint({
    id: "stop_chat_with_pipeline",
    path: "/v1/pipelines/:name/chat/:chat_id/stop",
    ...STOP,
    params: { name, chat_id },
    handle: async ({ call, params, body }) => {
      const stopped = await stopChat(call, params.chat_id, body);
      return stopped.ok ? { status: 200, json: { success: true } } : stopped;
    },
  }),
];
