// Identifies the run that a request is about: its execution's id, drawn, derived from Idempotency-Key or the caller's
// own, the fingerprint that a repetition is compared by, and the cursor of a caller that has received events.
import { err, ok, type Result } from "../../contract/problem.ts";
import { canonicalJson } from "../../core/json/json.ts";
import { cutName, ExecutionId } from "../../contract/names.ts";
import { ConversationId } from "../../contract/requests.ts";
import type { Call } from "../context.ts";
import { invalid } from "../request/body.ts";

/** How a caller named the execution, if at all. */
interface Naming {
  execution_id: string;
  /** The fingerprint that identifies a repetition; null if the id is random, so that the request cannot be repeated. */
  digest: string | null;
}

export interface Identity extends Naming {
  /** When the run was asked for, ms since the epoch: with the id it names the note of a start. */
  at: number;
  /** The `seq` of the last event that the caller has; null where it has none. */
  cursor: number | null;
}

/**
 * Refuses a request that may neither start a run nor attach to one.
 * @param sent the request's JSON as it was sent, for it is what a repetition must equal
 * @param own the caller's own id, where there is one
 */
export async function identify(
  call: Call,
  sent: unknown,
  own: string | undefined,
): Promise<Result<Identity>> {
  const { services, tenant } = call.var;
  const key = idempotencyKey(call.req.header("idempotency-key"));
  if (!key.ok) return key;
  const cursor = readCursor(call.req.header("last-event-id"));
  if (!cursor.ok) return cursor;
  if (cursor.value !== null && key.value === null && own === undefined) {
    const detail = "needs an Idempotency-Key or an execution_id: without one it would start a second run";
    return err(invalid([{ pointer: "/Last-Event-ID", detail }]));
  }
  // A caller that has already received events starts nothing.
  if (!services.settings.enabled && cursor.value === null) return err({ code: "COORDINATOR_DISABLED" });
  const { randomExecutionId, sha256Hex } = services.platform;
  const at = services.clock.now();
  if (key.value === null && own === undefined) {
    return ok({ execution_id: randomExecutionId(), digest: null, cursor: null, at });
  }
  const compared = own !== undefined && key.value !== null ? { key: key.value, body: sent } : sent;
  const digest = await sha256Hex(canonicalJson(compared));
  const execution_id = own ?? `ex_${(await sha256Hex(`${tenant}\n${key.value}`)).slice(0, 32)}`;
  return ok({ execution_id, digest, cursor: cursor.value, at });
}

/** The id in a path: one that cannot be one is of no execution. */
export function executionId(text: string): Result<string> {
  return ExecutionId.safeParse(text).success
    ? ok(text)
    : err({ code: "EXECUTION_NOT_FOUND", execution_id: cutName(text) });
}

/** The conversation's id in a path. */
export function conversationId(text: string): Result<string> {
  // A path with a dot segment means its parent to most clients: what such a conversation holds is found by its runs.
  const hasDots = text.split("/").some((segment) => /^(\.|%2e){1,2}$/i.test(segment));
  if (!hasDots && ConversationId.safeParse(text).success) return ok(text);
  const detail = `is no id of a conversation: 1 to 128 characters, without a dot segment: ${cutName(text)}`;
  return err(invalid([{ pointer: "/id", detail }]));
}

/** What Last-Event-ID says: the last `seq` that a reader has; null where there is none, or an empty one. */
export function readCursor(header: string | undefined): Result<number | null> {
  if (header === undefined || header === "") return ok(null);
  if (/^\d{1,15}$/.test(header)) return ok(Number(header));
  return err(invalid([{ pointer: "/Last-Event-ID", detail: "must be the seq of an event" }]));
}

/** Idempotency-Key is opaque; a bound keeps a header from being a document. */
const KEY_CHARS = 255;

function idempotencyKey(header: string | undefined): Result<string | null> {
  if (header === undefined) return ok(null);
  const key = /^"(.*)"$/.exec(header.trim())?.[1] ?? header.trim();
  if (key !== "" && key.length <= KEY_CHARS) return ok(key);
  return err(invalid([{ pointer: "/Idempotency-Key", detail: `must have 1 to ${KEY_CHARS} characters` }]));
}
