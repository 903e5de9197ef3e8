// Content codings of agents' answers (RFC 9110, section 8.4.1), their names in any case of letters. The platform
// decodes `gzip` and `br` only if the header is exactly that, in lower case, and passes every other body on
// undecoded: those are decoded here.
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
 * The body without its content codings; null where the response has none.
 * @throws BodyFault where a coding is not known
 */
export async function decodedBody(
  response: Response,
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
  // The last one was applied last.
  for (const name of applied.toReversed()) {
    body = name === "br" && brotli !== null ? await brotli(body) : inflated(body, name);
  }
  return body;
}
