// Webhooks by Standard Webhooks: which events there are, what is sent, and when a delivery that failed is made again.
import type { ExecutionStatus } from "../../contract/execution.ts";
import type { ExecutionSummary } from "../../contract/execution-list.ts";
import type { OpenQuestion } from "../execution/view/waits.ts";
import type { Alert } from "../../contract/metrics.ts";
import { err, ok, type Result } from "../../contract/problem.ts";

const EVENTS = [
  "alert.firing",
  "alert.resolved",
  "execution.completed",
  "execution.failed",
  "execution.cancelled",
  "execution.paused",
  "execution.waiting",
] as const;
export type WebhookEvent = (typeof EVENTS)[number];

/** The event of a question that opens, also while other stages of its execution run. */
export const QUESTION_EVENT = "execution.waiting" satisfies WebhookEvent;

/** The event of an execution that has this status, or null where there is none. */
export function executionEvent(status: ExecutionStatus): WebhookEvent | null {
  // One that waits for an agent asks nothing.
  if (status === "waiting") return null;
  return EVENTS.find((event) => event === `execution.${status}`) ?? null;
}

/** Sent by default: every change of an alert, no execution. */
const DEFAULT_EVENTS: readonly WebhookEvent[] = ["alert.firing", "alert.resolved"];

/** AGENT_COORDINATOR_WEBHOOK_EVENTS, or the first entry that is not an event. */
export function parseEvents(list: string | undefined): Result<ReadonlySet<WebhookEvent>, string> {
  if (list === undefined) return ok(new Set(DEFAULT_EVENTS));
  const names = list.split(",").map((name) => name.trim());
  const wrong = names.find((name) => !EVENTS.some((event) => event === name));
  return wrong === undefined ? ok(new Set(names as WebhookEvent[])) : err(wrong);
}

export const WEBHOOK_EVENTS = EVENTS.join(", ");

/** An execution that has asked, with the question that has opened. */
export interface AskedSummary extends ExecutionSummary {
  waits: (Pick<OpenQuestion, "stage" | "prompt"> & { expires_at: string })[];
}

/** How deliveries are declared: the bytes are those of both. */
export const WEBHOOK_FORMATS = ["standard", "cloudevents"] as const;
export type WebhookFormat = (typeof WEBHOOK_FORMATS)[number];

/** The media type of a delivery. A job of an earlier version has no CloudEvent in it. */
export function webhookMediaType(format: WebhookFormat, body: string): string {
  return format === "cloudevents" && body.startsWith('{"specversion"')
    ? "application/cloudevents+json"
    : "application/json";
}

/**
 * The payload of an event: of Standard Webhooks (type, timestamp, data), and of CloudEvents 1.0 in the same bytes.
 * @param id of the message: receivers drop duplicates by it
 */
export function webhookPayload(
  id: string,
  type: WebhookEvent,
  at: number,
  tenant: string,
  data: Alert | ExecutionSummary | AskedSummary,
): string {
  const time = new Date(at).toISOString();
  const [source, subject] =
    "execution_id" in data
      ? [`/v1/executions/${data.execution_id}`, data.execution_id]
      : ["/v1/alerts", data.stage == null ? data.name : `${data.name}/${data.stage}`];
  return JSON.stringify({
    specversion: "1.0",
    id,
    source,
    type,
    time,
    subject,
    datacontenttype: "application/json",
    timestamp: time,
    data: { tenant, ...data },
  });
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** The standard's schedule: the delay before each try after the first. */
export const RETRY_AFTER_MS: readonly number[] = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

/** How far a wait is stretched at most, so that an outage does not end with all tries at once. */
const JITTER = 0.1;

export type Delivery =
  /** The response status; null without a response. */
  { status: number | null; retry_after_ms: number | null };

/**
 * When the next try is due, in ms from now; null where there is none: delivered, abandoned, or not wanted (410).
 * @param made tries made, this one included @param chance uniform in [0, 1)
 */
export function nextTry({ status, retry_after_ms }: Delivery, made: number, chance: number): number | null {
  if (isDelivered(status) || status === GONE) return null;
  const wait = RETRY_AFTER_MS[made - 1];
  if (wait === undefined) return null;
  return Math.max(retry_after_ms ?? 0, Math.round(wait * (1 + JITTER * chance)));
}

export function isDelivered(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300;
}

/** The receiver wants no more of it. */
const GONE = 410;
