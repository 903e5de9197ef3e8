// W3C Trace Context: reading a caller's traceparent, making one, and naming the span of each call. Span ids are
// derived, not drawn, so that a replay names the same spans.
import { hexOf } from "../../bytes.ts";
import { hash64 } from "../../hash.ts";

/** The fields of version 00, and what a later version has after them: neither comma nor blank, which join two headers. */
const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[^,\s]*)?$/;

/** The caller's traceparent where it is a valid one, else null: an invalid one is ignored, as the standard asks. */
export function readTraceparent(header: string | null): string | null {
  const match = header === null ? null : TRACEPARENT.exec(header.trim());
  if (match === null) return null;
  const [, version, trace, span, flags, further] = match;
  // Version 00 ends here; only a later one may go on.
  if (version === "00" && further !== undefined) return null;
  return ["00", trace, span, flags].join("-");
}

/**
 * The traceparent of a run without an incoming one: it names the run's own span, so that the run is the root.
 * @param bytes 16 random bytes
 */
export function rootTraceparent(bytes: Uint8Array, execution_id: string): string {
  return ["00", hexOf(bytes), runSpanId(execution_id), "01"].join("-");
}

/** The span of a run. */
export function runSpanId(execution_id: string): string {
  return hash64(execution_id);
}

/** The span of one call. @param call the `seq` of its stage.started */
export function callSpanId(execution_id: string, call: number): string {
  return hash64(`${execution_id}.${call}`);
}

/** The traceparent that one call carries: the run's trace, a span of the call's own. */
export function callTraceparent(traceparent: string, execution_id: string, call: number): string {
  const [version, trace, , flags] = traceparent.split("-");
  return `${version}-${trace}-${callSpanId(execution_id, call)}-${flags}`;
}
