// Content codings of agents' answers (RFC 9110, section 8.4.1), with names in upper or lower case. The platform decodes
// a body only if its header is exactly `gzip` or `br`. It passes on any other body undecoded; this file decodes those.
import { BodyFault } from "./body.ts";
import { inflated } from "./inflate.ts";

export const ACCEPT_ENCODING = "gzip, x-gzip, deflate, br";

/** Decodes `br`, for which the platform has no stream. */
export type BrotliDecoder = (body: ReadableStream<Uint8Array>) => Promise<ReadableStream<Uint8Array>>;

const DECODED_BY_PLATFORM: ReadonlySet<string> = new Set(["gzip", "br"]);
const INFLATED: ReadonlySet<string> = new Set(["gzip", "x-gzip", "deflate"]);
/** Maximum number of stacked codings; each costs a stream. */
const CODINGS_MOST = 3;

/**
 * The decoded body; null if the response has no body.
 * @throws BodyFault for an unknown coding
 */
export async function decodedBody(
  response: Pick<Response, "headers" | "body">,
  brotli: BrotliDecoder | null,
): Promise<ReadableStream<Uint8Array> | null> {
  const header = response.headers.get("content-encoding") ?? "";
  let { body } = response;
  if (body === null || header === "" || DECODED_BY_PLATFORM.has(header)) return body;
  const names = header.split(",").map((name) => name.trim().toLowerCase());
  const applied = names.filter((name) => name !== "" && name !== "identity");
  if (applied.length > CODINGS_MOST) throw new BodyFault({ reason: "unknown_coding", coding: header });
  const unknown = applied.find((name) => !INFLATED.has(name) && (name !== "br" || brotli === null));
  if (unknown !== undefined) throw new BodyFault({ reason: "unknown_coding", coding: unknown });
  // The header lists the codings in the order in which they were applied.
  for (const name of applied.toReversed()) {
    body = name === "br" && brotli !== null ? await brotli(body) : inflated(body, name);
  }
  return body;
}
