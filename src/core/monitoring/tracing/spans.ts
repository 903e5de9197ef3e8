// One execution as spans: a root for the run, one for each try of each stage, and one for each question, out of the log
// alone, so that a log that is read again gives the same spans. A try's span is the one that its agent was called with,
// also where the agent answers later.
import type { RegisteredAgent } from "../../../contract/agent.ts";
import type { StageError, Usage } from "../../../contract/stage.ts";
import { isAmount } from "../../../contract/usage.ts";
import type { LogEvent, LogEventOf } from "../../execution/log-event.ts";
import { type UnitName, unitName } from "../../execution/units/unit-name.ts";
import type { ExecutionState } from "../../execution/state.ts";
import { ERROR_TYPE, GENAI, OPERATION, SERVER } from "./genai.ts";
import { callSpanId, runSpanId } from "./trace-context.ts";

export type AttributeValue = string | number | bigint | boolean;

export interface Span {
  trace_id: string;
  span_id: string;
  /** Null of a root. */
  parent_span_id: string | null;
  name: string;
  /** A try calls another service; a run is internal work, and so is the wait for an answer to a question. */
  kind: "internal" | "client";
  /** Ms since the epoch. */
  began: number;
  ended: number;
  attributes: Record<string, AttributeValue>;
  /** Null where nothing failed. */
  error: string | null;
  events: SpanEvent[];
}

interface SpanEvent {
  at: number;
  name: string;
  attributes?: Record<string, AttributeValue>;
}

/** Spans of an execution that has ended; none where its caller's trace is not sampled. */
export function spansOf(state: ExecutionState, events: Iterable<LogEvent>): Span[] {
  const { spec } = state;
  const [, trace_id = "", caller = "", flags = "00"] = (spec.traceparent ?? "").split("-");
  if (trace_id === "" || state.ended_at === null || (Number.parseInt(flags, 16) & SAMPLED) === 0) return [];
  const root = runSpanId(spec.execution_id);
  const tries = new Tries(state, trace_id, root);
  const noted: Span["events"] = [];
  for (const event of events) {
    tries.take(event);
    if (NOTED.has(event.type)) noted.push(noteOf(event));
  }
  const run: Span = {
    trace_id,
    span_id: root,
    // A run without an incoming trace gets a trace id of its own.
    parent_span_id: caller === root ? null : caller,
    name: `${OPERATION.RUN} ${spec.pipeline}`,
    kind: "internal",
    began: state.started_at,
    ended: state.ended_at,
    attributes: {
      [GENAI.OPERATION]: OPERATION.RUN,
      [GENAI.AGENT_NAME]: spec.pipeline,
      [GENAI.CONVERSATION_ID]: spec.conversation_id,
      ...spentOf(state.usage),
      "coordinator.tenant": spec.tenant,
      "coordinator.execution_id": spec.execution_id,
      "coordinator.pipeline_version": spec.pipeline_version,
      "coordinator.status": state.status,
      ...(state.error_info === null ? {} : { [ERROR_TYPE]: state.error_info.code }),
    },
    error: state.status === "failed" ? (state.error_info?.message ?? state.status) : null,
    events: noted,
  };
  return [run, ...tries.ended];
}

const SAMPLED = 1;

/** Events of the run as a whole, recorded on its span. */
const NOTED: ReadonlySet<string> = new Set([
  "execution.paused",
  "execution.resumed",
  "execution.recovered",
  "stage.queued",
  "stage.fallback",
  "stage.skipped",
]);

function noteOf(event: LogEvent): SpanEvent {
  const note = { at: Date.parse(event.timestamp), name: event.type };
  if (event.type !== "stage.queued") return note;
  const attributes = { "coordinator.stage": event.stage, "coordinator.queued.reason": event.data.reason };
  return { ...note, attributes };
}

interface Open {
  span: Span;
  unit: UnitName;
  isQuestion: boolean;
}

/** The tries, as the log opens and closes them. */
class Tries {
  readonly ended: Span[] = [];
  private readonly open = new Map<string, Open>();
  /** Stages whose agents have answered 202: a crash does not interrupt them. */
  private readonly later = new Set<string>();
  private readonly state: ExecutionState;
  private readonly trace_id: string;
  private readonly root: string;

  constructor(state: ExecutionState, trace_id: string, root: string) {
    this.state = state;
    this.trace_id = trace_id;
    this.root = root;
  }

  take(event: LogEvent): void {
    const at = Date.parse(event.timestamp);
    switch (event.type) {
      case "stage.started":
        // The items of a stage that maps have the tries.
        if (event.data.items === undefined) this.begin(event, at);
        break;
      case "stage.queued":
        // The call was not sent.
        this.open.delete(unitOf(event));
        break;
      case "stage.waiting":
        // The span of an agent's call goes on until its callback.
        if (event.data.reason === "wait") this.ask(event, at);
        else if (event.data.reason === "callback") this.later.add(unitOf(event));
        // The call is over; what follows is the execution's own.
        else this.end(event, at, null);
        break;
      case "stage.skipped":
        // A question that is open has had no answer in time.
        this.cut(unitOf(event), at, "timeout");
        break;
      case "stage.fallback":
        // The fallback answers a question in its place.
        if (this.open.get(unitOf(event))?.isQuestion !== true)
          this.end(event, at, event.internal?.rescued ?? null);
        break;
      case "stage.retrying":
      case "stage.failed":
        this.end(event, at, event.data.error);
        break;
      case "stage.iterated":
        this.end(event, at, null);
        break;
      case "stage.completed":
        this.end(event, at, null);
        break;
      case "stage.cancelled":
        this.cut(unitOf(event), at, "cancelled");
        break;
      case "execution.recovered":
        for (const { unit, isQuestion } of this.open.values())
          if (!isQuestion && !this.later.has(unit)) this.cut(unit, at, "interrupted by a restart");
        break;
      case "execution.paused":
        if (event.data.mode !== "abort") break;
        for (const { unit, isQuestion } of this.open.values())
          if (!isQuestion) this.cut(unit, at, "interrupted by a pause");
        break;
      default:
    }
  }

  private begin(event: LogEventOf<"stage.started">, at: number): void {
    const { stage } = event;
    const { agent_type: agent, child_execution_id: child } = event.data;
    const { execution_id, conversation_id } = this.state.spec;
    const span: Span = {
      trace_id: this.trace_id,
      span_id: callSpanId(execution_id, event.seq),
      parent_span_id: this.root,
      name: agent === null ? `run ${stage}` : `${OPERATION.CALL} ${agent}`,
      kind: agent === null ? "internal" : "client",
      began: at,
      ended: at,
      attributes: {
        ...(agent === null
          ? {}
          : {
              [GENAI.OPERATION]: OPERATION.CALL,
              [GENAI.AGENT_NAME]: agent,
              ...calledAgent(this.state.spec.agents[agent] ?? null),
            }),
        [GENAI.CONVERSATION_ID]: conversation_id,
        ...(child === undefined ? {} : { "coordinator.child_execution_id": child }),
        "coordinator.stage": stage,
        "coordinator.attempt": event.attempt,
        ...(event.item === undefined ? {} : { "coordinator.item": event.item }),
        ...(event.data.iteration === undefined ? {} : { "coordinator.iteration": event.data.iteration }),
      },
      error: null,
      events: [],
    };
    const unit = unitOf(event);
    this.open.set(unit, { span, unit, isQuestion: false });
  }

  private ask(event: LogEventOf<"stage.waiting">, at: number): void {
    const { stage } = event;
    const { execution_id, conversation_id } = this.state.spec;
    const span: Span = {
      trace_id: this.trace_id,
      span_id: callSpanId(execution_id, event.seq),
      parent_span_id: this.root,
      name: `wait ${stage}`,
      kind: "internal",
      began: at,
      ended: at,
      attributes: {
        [GENAI.CONVERSATION_ID]: conversation_id,
        "coordinator.stage": stage,
        "coordinator.wait.expires_at": event.data.expires_at,
      },
      error: null,
      events: [],
    };
    this.open.set(stage, { span, unit: stage, isQuestion: true });
  }

  private end(
    event: LogEventOf<
      | "stage.retrying"
      | "stage.waiting"
      | "stage.iterated"
      | "stage.fallback"
      | "stage.failed"
      | "stage.completed"
    >,
    at: number,
    error: StageError | null,
  ): void {
    const open = this.open.get(unitOf(event));
    const result = event.type === "stage.completed" || event.type === "stage.failed" ? event.data : null;
    // A stage that failed between two tries has none in flight.
    if (open === undefined) return;
    const { span } = open;
    if (result !== null && result.answered_by != null)
      span.attributes["coordinator.answered_by"] = answererKind(result.answered_by);
    span.began = Math.min(at, Math.max(span.began, event.internal?.began_at ?? span.began));
    const usage = callUsage(event);
    span.attributes = { ...modelOf(usage), ...span.attributes, ...spentOf(usage) };
    // No agent was called for it.
    if (result?.cached === true) span.attributes["coordinator.cached"] = true;
    if (error?.status !== undefined) span.attributes["http.response.status_code"] = error.status;
    this.close(open, at, error === null ? null : { type: error.code, message: error.message });
  }

  private cut(unit: UnitName, at: number, why: string): void {
    const open = this.open.get(unit);
    if (open !== undefined) this.close(open, at, { type: why.replaceAll(" ", "_"), message: why });
  }

  private close({ span, unit }: Open, at: number, error: { type: string; message: string } | null): void {
    this.open.delete(unit);
    this.later.delete(unit);
    span.ended = Math.max(at, span.began);
    if (error !== null) {
      span.attributes[ERROR_TYPE] = error.type;
      span.error = error.message;
    }
    this.ended.push(span);
  }
}

/** What the call has used that the event ends: a result has what those before it have, which have spans of their own. */
function callUsage(event: LogEvent): Usage {
  const internal: object = event.internal ?? {};
  const usage = "usage" in internal ? (internal.usage as Usage | undefined) : undefined;
  return usage ?? (event.type === "stage.completed" ? event.data.usage : null) ?? {};
}

function unitOf({ stage, item }: { stage: string; item?: number | undefined }): UnitName {
  return unitName(stage, item);
}

/** `key`, `token` or `timeout`: who it was is in the execution. */
function answererKind(answered_by: string): string {
  return answered_by.split(":", 1)[0] ?? "";
}

/** Where the agent is, and the model that it was asked for, as far as its registration says so. */
function calledAgent(registration: RegisteredAgent | null): Record<string, AttributeValue> {
  if (registration === null) return {};
  const found: Record<string, AttributeValue> = {};
  if ("url" in registration && URL.canParse(registration.url)) {
    const { hostname, port, protocol } = new URL(registration.url);
    found[SERVER.ADDRESS] = hostname;
    found[SERVER.PORT] = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
  }
  const model = registration.options?.["model"];
  if (typeof model === "string") found[GENAI.REQUEST_MODEL] = model;
  return found;
}

/** What the agent says of its model: what it was asked for is that, too, where its registration does not say so. */
function modelOf({ provider, model }: Usage): Record<string, AttributeValue> {
  return {
    ...(typeof provider === "string" ? { [GENAI.PROVIDER]: provider } : {}),
    ...(typeof model === "string" ? { [GENAI.REQUEST_MODEL]: model, [GENAI.RESPONSE_MODEL]: model } : {}),
  };
}

/** Tokens and cost, where an agent counts them under the usual names. */
function spentOf(usage: Usage): Record<string, number | bigint> {
  const found: Record<string, number | bigint> = {};
  const names = [
    [GENAI.INPUT_TOKENS, ["input_tokens", "prompt_tokens"]],
    [GENAI.OUTPUT_TOKENS, ["output_tokens", "completion_tokens"]],
    [GENAI.REASONING_TOKENS, ["reasoning_tokens"]],
    [GENAI.CACHED_TOKENS, ["cached_input_tokens"]],
    ["coordinator.cost_usd", ["cost_usd"]],
    ["coordinator.unpriced_tokens", ["unpriced_tokens"]],
  ] as const;
  for (const [attribute, candidates] of names) {
    const count = candidates.map((name) => usage[name]).find(isAmount);
    if (count !== undefined) found[attribute] = count;
  }
  return found;
}
