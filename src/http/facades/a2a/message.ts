// A2A's message to an agent: a question, or the answer to what a task has asked.
import { JsonObject } from "../../../contract/json.ts";
import { err, ok, type Result } from "../../../contract/problem.ts";
import * as z from "../../../contract/zod.ts";
import { isObject } from "../../../core/json/json.ts";
import { faultOf } from "./rpc.ts";

const Part = z.looseObject({ text: z.optional(z.string()), data: z.optional(z.unknown()) });
const Params = z.lazy(() =>
  z.looseObject({
    message: z.looseObject({
      messageId: z.string().check(z.minLength(1), z.maxLength(256)),
      contextId: z.nullish(z.string()),
      taskId: z.nullish(z.string()),
      parts: z.array(Part),
      metadata: z.nullish(JsonObject),
    }),
    configuration: z.nullish(z.looseObject({ returnImmediately: z.nullish(z.boolean()) })),
    metadata: z.nullish(JsonObject),
  }),
);

export interface Sent {
  messageId: string;
  contextId: string | null;
  taskId: string | null;
  /** Of its text parts. */
  text: string;
  /** Of its first data part that is an object; null where there is none. */
  data: JsonObject | null;
  /** The pipeline that it names, of an endpoint that has all of them. */
  pipeline: string | null;
  returnImmediately: boolean;
}

export function readMessage(params: JsonObject): Result<Sent, string> {
  const read = Params.safeParse(params);
  if (!read.success) return err(faultOf(read.error));
  const { message, configuration, metadata } = read.data;
  const { messageId, contextId, taskId, parts } = message;
  const texts = parts.flatMap(({ text }) => (text === undefined || text === "" ? [] : [text]));
  const data = parts.map((part) => part.data).find(isObject) ?? null;
  if (texts.length === 0 && data === null) return err("/params/message/parts must hold text or data");
  const named = metadata?.["pipeline"] ?? message.metadata?.["pipeline"];
  return ok({
    messageId,
    contextId: contextId || null,
    taskId: taskId || null,
    text: texts.join("\n"),
    data,
    pipeline: typeof named === "string" ? named : null,
    returnImmediately: configuration?.returnImmediately === true,
  });
}
