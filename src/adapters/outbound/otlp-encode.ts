// OTLP as JSON (opentelemetry-proto 1.x, JSON mapping): ids in hex, 64-bit numbers as text, enums as numbers.
import type { Family, Labels } from "../../core/monitoring/metrics/families.ts";
import { GENAI_CONVENTIONS_VERSION } from "../../core/monitoring/tracing/genai.ts";
import type { AttributeValue, Span } from "../../core/monitoring/tracing/spans.ts";

type Json = Record<string, unknown>;

const SERVICE = "agent-coordinator";
const KIND = { internal: 1, client: 3 } as const;
const STATUS_ERROR = 2;
/** Since the beginning, as Prometheus has it. */
const CUMULATIVE = 2;

/** The body of POST /v1/traces, of spans that were encoded before. */
export function tracesBody(spans: readonly unknown[], version: string): string {
  const scope = { name: SERVICE, version, attributes: attributes(SCOPE) };
  return JSON.stringify({ resourceSpans: [{ resource: resource(version), scopeSpans: [{ scope, spans }] }] });
}

/** Which conventions the names are from. */
const SCOPE = { "gen_ai.conventions.version": GENAI_CONVENTIONS_VERSION };

function encodeSpan(span: Span): Json {
  return {
    traceId: span.trace_id,
    spanId: span.span_id,
    ...(span.parent_span_id === null ? {} : { parentSpanId: span.parent_span_id }),
    flags: 1,
    name: span.name,
    kind: KIND[span.kind],
    startTimeUnixNano: nanos(span.began),
    endTimeUnixNano: nanos(span.ended),
    attributes: attributes(span.attributes),
    events: span.events.slice(0, SPAN_EVENTS).map(({ at, name, attributes: of }) => ({
      timeUnixNano: nanos(at),
      name,
      ...(of === undefined ? {} : { attributes: attributes(of) }),
    })),
    ...(span.events.length > SPAN_EVENTS ? { droppedEventsCount: span.events.length - SPAN_EVENTS } : {}),
    status: span.error === null ? {} : { code: STATUS_ERROR, message: span.error },
  };
}

/**
 * The spans of one run, its root first, as a JSON list of so many bytes at most. Where that is too few, spans in the
 * middle are left out, and the root has their number: the first and the last spans are the most useful.
 */
export function spansJson([root, ...tries]: readonly Span[], most_bytes: number): string {
  if (root === undefined) return "[]";
  const encoded = tries.map((span) => JSON.stringify(encodeSpan(span)));
  let left = most_bytes - ROOT_BYTES;
  const sizes = encoded.map(byteLength);
  let [head, tail] = [0, encoded.length];
  while (head < tail) {
    // Alternately from the front and from the back.
    const at = head <= encoded.length - tail ? head : tail - 1;
    left -= (sizes[at] ?? 0) + 1;
    if (left < 0) break;
    if (at === head) head += 1;
    else tail -= 1;
  }
  const dropped = tail - head;
  const counted =
    dropped === 0 ? {} : { "coordinator.truncated": true, "coordinator.dropped_spans": dropped };
  const first = JSON.stringify(encodeSpan({ ...root, attributes: { ...root.attributes, ...counted } }));
  return `[${[first, ...encoded.slice(0, head), ...encoded.slice(tail)].join(",")}]`;
}

/** Of one span: what OpenTelemetry's own SDKs allow by default. */
const SPAN_EVENTS = 128;

/** Kept for the root and its events. */
const ROOT_BYTES = 64 * 1024;

const encoder = new TextEncoder();

function byteLength(text: string): number {
  return encoder.encode(text).byteLength;
}

/** The body of POST /v1/metrics. @param since when counting began @param now both in ms since the epoch */
export function metricsBody(
  families: readonly Family[],
  tenant: string,
  version: string,
  { since, now }: { since: number; now: number },
): string {
  const metrics = families
    .filter((family) => family.points.length > 0)
    .map((family) => metric(family, since, now));
  return JSON.stringify({
    resourceMetrics: [
      {
        resource: resource(version, { "coordinator.tenant": tenant }),
        scopeMetrics: [{ scope: { name: SERVICE, version }, metrics }],
      },
    ],
  });
}

function metric(family: Family, since: number, now: number): Json {
  const named = { name: family.name, description: family.help };
  const times = { startTimeUnixNano: nanos(since), timeUnixNano: nanos(now) };
  if (family.type === "histogram") {
    const dataPoints = family.points.map(({ labels, tally }) => ({
      ...times,
      attributes: attributes(Object.fromEntries(labels)),
      count: String(tally.count),
      sum: tally.sum_ms / 1_000,
      explicitBounds: family.bounds,
      bucketCounts: Array.from({ length: family.bounds.length + 1 }, (_, at) =>
        String(tally.buckets.get(at) ?? 0),
      ),
    }));
    return { ...named, unit: "s", histogram: { aggregationTemporality: CUMULATIVE, dataPoints } };
  }
  const dataPoints = family.points.map(({ labels, value }) => number(labels, value, times));
  if (family.type === "gauge") return { ...named, gauge: { dataPoints } };
  return { ...named, sum: { aggregationTemporality: CUMULATIVE, isMonotonic: true, dataPoints } };
}

function number(labels: Labels, value: number, times: Json): Json {
  return { ...times, attributes: attributes(Object.fromEntries(labels)), asDouble: value };
}

function resource(version: string, more: Record<string, AttributeValue> = {}): Json {
  return { attributes: attributes({ "service.name": SERVICE, "service.version": version, ...more }) };
}

function attributes(values: Readonly<Record<string, AttributeValue>>): Json[] {
  return Object.entries(values).map(([key, value]) => ({ key, value: typed(value) }));
}

function typed(value: AttributeValue): Json {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  // An int of OTLP has 64 bits.
  if (typeof value === "bigint" && BigInt.asIntN(64, value) !== value) return { doubleValue: Number(value) };
  return typeof value === "bigint" || Number.isInteger(value)
    ? { intValue: String(value) }
    : { doubleValue: value };
}

function nanos(ms: number): string {
  return `${Math.round(ms)}000000`;
}
