// W3C Trace Context: reading a caller's traceparent, making one, and naming the span of each call. Span ids are
// derived, not drawn, so that a replay names the same spans.

const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** The caller's traceparent where it is a valid one, else null: an invalid one is ignored, as the standard asks. */
export function readTraceparent(header: string | null): string | null {
  const match = header === null ? null : TRACEPARENT.exec(header.trim());
  if (match === null) return null;
  return `00-${match[1]}-${match[2]}-${match[3]}`;
}

/** A root traceparent. @param bytes 24 random bytes */
export function rootTraceparent(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `00-${hex.slice(0, 32)}-${hex.slice(32, 48)}-01`;
}

/** The traceparent that one call carries: the run's trace, a span of the call's own. */
export function callTraceparent(traceparent: string, execution_id: string, call: number): string {
  const [version, trace, , flags] = traceparent.split("-");
  return `${version}-${trace}-${spanId(`${execution_id}.${call}`)}-${flags}`;
}

/** Eight bytes of hex from a name: two FNV-1a hashes of 32 bits, seeded apart. */
function spanId(name: string): string {
  const half = (seed: number) => {
    let hash = seed;
    for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
    return (hash >>> 0).toString(16).padStart(8, "0");
  };
  return `${half(0x811c9dc5)}${half(0x01234567)}`;
}
