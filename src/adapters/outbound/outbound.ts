// Outbound deliveries other than metrics: webhooks and traces, if the operator has configured them. Reads the variables
// of both and turns an execution's end into jobs for the delivery queue.
import type { DeliveryQueue, DeliveryJob } from "../../engine/worker-ports.ts";
import { type BadVariable, badAddress, badVariable, entryNumber } from "../../core/config/bad-variable.ts";
import { textVariable } from "../../core/config/config.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import type { LogEvent } from "../../core/execution/log-event.ts";
import type { ExecutionState } from "../../core/execution/state.ts";
import { openWaits } from "../../core/execution/view/waits.ts";
import { isoTime } from "../../core/time.ts";
import { summaryOf } from "../../core/monitoring/index-entry.ts";
import { hash64 } from "../../core/hash.ts";
import type { Alert } from "../../contract/metrics.ts";
import { spansOf } from "../../core/monitoring/tracing/spans.ts";
import {
  executionEvent,
  parseEvents,
  QUESTION_EVENT,
  type WebhookEvent,
  WEBHOOK_EVENTS,
  WEBHOOK_FORMATS,
  webhookPayload,
} from "../../core/monitoring/webhook.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { Receiver } from "../../engine/watch/outbox.ts";
import type { Log } from "../../engine/ports.ts";
import { spansJson } from "./otlp-encode.ts";
import { type OtlpTarget, readHeaders } from "./otlp-export.ts";
import { readSecret, type WebhookTarget } from "./webhook.ts";

export interface Outbound {
  webhook: WebhookTarget | null;
  otlp: OtlpTarget | null;
}

const URL_VARIABLE = "AGENT_COORDINATOR_WEBHOOK_URL";
const SECRET_VARIABLE = "AGENT_COORDINATOR_WEBHOOK_SECRET";
const EVENTS_VARIABLE = "AGENT_COORDINATOR_WEBHOOK_EVENTS";
const FORMAT_VARIABLE = "AGENT_COORDINATOR_WEBHOOK_FORMAT";
const OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT";
const OTLP_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS";

/** Destinations of webhooks and traces; null if none are configured. @param version of this service */
export function readOutbound(
  vars: Readonly<Record<string, unknown>>,
  version: string,
): Result<Outbound, BadVariable> {
  const webhook = readWebhook(vars);
  if (!webhook.ok) return webhook;
  const endpoint = textVariable(vars, OTLP_ENDPOINT);
  if (endpoint === undefined) return ok({ webhook: webhook.value, otlp: null });
  if (!isHttp(endpoint)) return err(badAddress(OTLP_ENDPOINT, endpoint, HTTP_EXPECTED));
  const headers = readHeaders(textVariable(vars, OTLP_HEADERS));
  if (!headers.ok) return err(badVariable(OTLP_HEADERS, headers.error));
  const otlp = { endpoint: endpoint.replace(/\/+$/, ""), headers: headers.value, version };
  return ok({ webhook: webhook.value, otlp });
}

function readWebhook(vars: Readonly<Record<string, unknown>>): Result<WebhookTarget | null, BadVariable> {
  const url = textVariable(vars, URL_VARIABLE);
  if (url === undefined) return ok(null);
  if (!isHttp(url)) return err(badAddress(URL_VARIABLE, url, HTTP_EXPECTED));
  const key = readSecret(textVariable(vars, SECRET_VARIABLE) ?? "");
  if (!key.ok) return err(badVariable(SECRET_VARIABLE, key.error));
  const list = textVariable(vars, EVENTS_VARIABLE);
  const events = parseEvents(list);
  if (!events.ok) {
    const wrong = entryNumber(list, events.error);
    const expected = `a comma-separated list of ${WEBHOOK_EVENTS} (entry ${wrong} is not one)`;
    return err(badVariable(EVENTS_VARIABLE, expected));
  }
  const named = textVariable(vars, FORMAT_VARIABLE) ?? "standard";
  const format = WEBHOOK_FORMATS.find((known) => known === named);
  if (format === undefined) return err(badVariable(FORMAT_VARIABLE, WEBHOOK_FORMATS.join(" or ")));
  return ok({ url, key: key.value, events: events.value, format });
}

const HTTP_EXPECTED = "an absolute URL, https: or http:";

function isHttp(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

/** Receivers of an execution's end, its pauses and its questions, in addition to the execution index. */
export function outboundReceivers(
  { webhook, otlp }: Outbound,
  deliveryQueue: DeliveryQueue,
  log: Log,
): Receiver[] {
  const receivers: Receiver[] = [];
  if (webhook !== null) {
    receivers.push({
      name: "webhook",
      takesEachPause: webhook.events.has("execution.paused"),
      takesEachQuestion: webhook.events.has(QUESTION_EVENT),
      receive: (state, change) =>
        sendAll(deliveryQueue, state, [
          // The end of one that a stage runs is a step of another one's; its questions are for people.
          change.status && state.spec.parent === undefined ? executionJob(state, webhook, log) : null,
          ...questionJobs(state, webhook, change.opened),
        ]),
    });
  }
  if (otlp !== null) {
    receivers.push({
      name: "traces",
      receive: (state) => sendAll(deliveryQueue, state, [spansJob(state, log.read(0))]),
    });
  }
  return receivers;
}

/** Whether changes of metrics are sent anywhere: as alerts or to a collector. */
export function hasMetricsReceivers({ webhook, otlp }: Outbound): boolean {
  return (
    otlp !== null ||
    webhook?.events.has("alert.firing") === true ||
    webhook?.events.has("alert.resolved") === true
  );
}

/** An alert's change as a job, or null if no receiver subscribes to it. @param now ms since the epoch */
export function alertJob(
  webhook: WebhookTarget | null,
  tenant: string,
  alert: Alert,
  now: number,
): DeliveryJob | null {
  const type: WebhookEvent = alert.firing ? "alert.firing" : "alert.resolved";
  if (webhook?.events.has(type) !== true) return null;
  const id = messageId(tenant, type, alert.name, alert.stage ?? "", String(now));
  return { id, kind: "webhook", body: webhookPayload(id, type, now, tenant, alert), wait_ms: 0 };
}

async function sendAll(
  deliveryQueue: DeliveryQueue,
  state: ExecutionState,
  jobs: readonly (DeliveryJob | null)[],
): Promise<void> {
  for (const job of jobs) if (job !== null) await deliveryQueue.send(state.spec.tenant, job);
}

/** Each question is a message of its own. @param opened the `seq` of those that have opened */
function questionJobs(
  state: ExecutionState,
  { events }: WebhookTarget,
  opened: readonly number[],
): DeliveryJob[] {
  if (!events.has(QUESTION_EVENT)) return [];
  const { tenant, execution_id } = state.spec;
  return openWaits(state)
    .filter(({ seq }) => opened.includes(seq))
    .map(({ stage, seq, since, prompt, expires_at }) => {
      const parts = [execution_id, String(state.started_at), String(seq)];
      const waits = [{ stage, prompt, expires_at: isoTime(expires_at) }];
      const id = messageId(tenant, QUESTION_EVENT, ...parts);
      const body = webhookPayload(id, QUESTION_EVENT, since, tenant, { ...summaryOf(state), waits });
      return { id, kind: "webhook", body, wait_ms: 0 };
    });
}

function executionJob(state: ExecutionState, { events }: WebhookTarget, log: Log): DeliveryJob | null {
  const type = executionEvent(state.status);
  const at = state.ended_at ?? state.paused_at;
  if (type === null || at === null || !events.has(type)) return null;
  const { tenant, execution_id } = state.spec;
  // A run ends once, and is paused as often as its caller likes: each pause is a message of its own.
  const pause = state.ended_at === null ? [String(lastPause(state, log))] : [];
  const id = messageId(tenant, type, execution_id, String(state.started_at), ...pause);
  return { id, kind: "webhook", body: webhookPayload(id, type, at, tenant, summaryOf(state)), wait_ms: 0 };
}

/** The `seq` of the pause that the state is in. */
function lastPause(state: ExecutionState, log: Log): number {
  let seq = 0;
  for (const event of log.read(0)) {
    if (event.seq > state.seq) break;
    if (event.type === "execution.paused") seq = event.seq;
  }
  return seq;
}

function spansJob(state: ExecutionState, events: Iterable<LogEvent>): DeliveryJob | null {
  if (state.ended_at === null) return null;
  const spans = spansOf(state, events);
  if (spans.length === 0) return null;
  const id = messageId(state.spec.tenant, "spans", state.spec.execution_id, String(state.started_at));
  return { id, kind: "spans", body: spansJson(spans, TIMINGS.SPANS_BYTES), wait_ms: TIMINGS.SPANS_WAIT_MS };
}

/** The same for the same notification; without a dot, which separates the parts of the signed text. */
function messageId(...parts: readonly string[]): string {
  const text = parts.join(" ");
  return `msg_${hash64(text)}${hash64(`${text} `)}`;
}
