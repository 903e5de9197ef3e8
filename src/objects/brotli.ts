// Decodes Brotli through the platform, which has no stream for it and decodes it in one place only: in the body of a
// response whose header is `br`. A response with another spelling (`BR`, `gzip, br`) is sent through this Worker
// itself, as one whose header is.
import { exports, WorkerEntrypoint } from "cloudflare:workers";
import type { BrotliDecoder } from "../adapters/agents/body/codings.ts";

/** Answers with the body that it is sent, as coded by brotli. */
export class BrotliBody extends WorkerEntrypoint {
  override fetch(request: Request): Response {
    return new Response(request.body, { headers: { "content-encoding": "br" }, encodeBody: "manual" });
  }
}

/** Null where the Worker's entry leaves BrotliBody out. */
export function brotliDecoder(): BrotliDecoder | null {
  const entrypoint = (exports as { BrotliBody?: Fetcher }).BrotliBody;
  if (entrypoint === undefined) return null;
  return async (body) => {
    const { body: decoded } = await entrypoint.fetch("https://brotli.internal/", { method: "POST", body });
    return decoded ?? body;
  };
}
