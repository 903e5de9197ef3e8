// OTLP over HTTP: one POST to the collector, and whether it took it. The destination and the headers come from
// OpenTelemetry's own variables.
import { LIMITS } from "../../contract/limits.ts";
import { err, ok, type Result } from "../../contract/problem.ts";

export interface OtlpTarget {
  /** Without a slash at its end. */
  endpoint: string;
  headers: Readonly<Record<string, string>>;
  /** Of this service. */
  version: string;
}

/** OTEL_EXPORTER_OTLP_HEADERS: `name=value`, comma-separated, values percent-encoded. Errors do not name the value. */
export function readHeaders(list: string | undefined): Result<Record<string, string>, string> {
  const headers: Record<string, string> = {};
  for (const entry of (list ?? "").split(",").filter((part) => part.trim() !== "")) {
    const at = entry.indexOf("=");
    const name = entry.slice(0, at).trim().toLowerCase();
    try {
      const value = decodeURIComponent(entry.slice(at + 1).trim());
      // Throws if the name or value is not a valid header.
      headers[name] = new Headers([[name, value]]).get(name) ?? "";
    } catch {
      return err(HEADERS_EXPECTED);
    }
    if (at < 1) return err(HEADERS_EXPECTED);
  }
  return ok(headers);
}

const HEADERS_EXPECTED = "name=value, comma-separated, values percent-encoded";

export type Exported = "accepted" | "retryable" | "unfit" | "refused";

/**
 * Never rejects. `retryable` where the standard allows a retry: no answer, 429, 502, 503, 504. `unfit` where the
 * collector does not accept this body; `refused` where it would accept none.
 */
export async function exportTo(
  { endpoint, headers }: Pick<OtlpTarget, "endpoint" | "headers">,
  signal: "traces" | "metrics",
  body: string,
): Promise<Exported> {
  try {
    const response = await fetch(`${endpoint}/v1/${signal}`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(LIMITS.EXPORT_TIMEOUT_MS),
    });
    // The collector's body is not used, and its end must not change the outcome.
    response.body?.cancel().catch(() => {});
    if (response.ok) return "accepted";
    if (UNFIT.has(response.status)) return "unfit";
    return PASSING.has(response.status) ? "retryable" : "refused";
  } catch {
    return "retryable";
  }
}

const UNFIT: ReadonlySet<number> = new Set([400, 413, 422]);
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504]);
