// Waits for the outside (src/contract/README.md section 10): what a wait stage asks for, the answers that it takes, and
// the inbox of open waits.
import { JsonObject } from "./json.ts";
import { LIMITS } from "./limits.ts";
import * as z from "./zod.ts";

/** A wait for the outside, s. */
export const WaitSeconds = z.number().check(z.gte(1), z.lte(LIMITS.WAIT_SECONDS));

/** What a stage does whose question has had no answer by `expires_at`. */
const OnTimeout = z.lazy(() => z.union([z.enum(["fail", "skip"]), z.strictObject({ data: JsonObject })]));

/** The `wait` of a stage that waits for a person or a system. */
export const WaitSpec = z.lazy(() =>
  z.strictObject({
    /** A CEL expression that gives an object: what is shown to the person who answers. */
    prompt: z.optional(z.string().check(z.minLength(1), z.maxLength(LIMITS.CONDITION_CHARS))),
    /** JSON Schema 2020-12 that the answer's data must satisfy. */
    schema: z.optional(JsonObject),
    timeout_seconds: z._default(WaitSeconds, 86_400),
    on_timeout: z._default(OnTimeout, "fail"),
  }),
);
export type WaitSpec = z.infer<typeof WaitSpec>;

/** The body of POST …/stages/:stage/complete. */
export const CompleteRequest = z.strictObject({ data: JsonObject });
export type CompleteRequest = z.infer<typeof CompleteRequest>;

/** The body of POST …/stages/:stage/fail. */
export const FailRequest = z.strictObject({
  message: z.string().check(z.minLength(1), z.maxLength(LIMITS.ERROR_CHARS)),
});

/** An open question, as the inbox lists it. */
export const OpenWait = z.object({
  execution_id: z.string(),
  stage: z.string(),
  pipeline: z.string(),
  conversation_id: z.string(),
  prompt: JsonObject,
  /** Null where any object is an answer. */
  schema: z.nullable(JsonObject),
  expires_at: z.iso.datetime(),
});
export type OpenWait = z.infer<typeof OpenWait>;

/** The inbox: soonest expiry first. */
export const WaitList = z.object({
  data: z.array(OpenWait),
  has_more: z.boolean(),
  /** Opaque; null on the last page. */
  next_cursor: z.nullable(z.string()),
});
export type WaitList = z.infer<typeof WaitList>;

/** The answer of POST …/stages/:stage/token: lets somebody without a key answer this one question. */
export const WaitToken = z.object({
  token: z.string(),
  /** A page with the question and a form. */
  respond_url: z.string(),
  expires_at: z.iso.datetime(),
});
export type WaitToken = z.infer<typeof WaitToken>;

/** The answer of POST /v1/callbacks/:token. */
export const CallbackReply = z.object({
  /** `repeated`: the same was accepted before. `alive`: a sign of life, which ends nothing. */
  status: z.enum(["accepted", "repeated", "alive"]),
});
