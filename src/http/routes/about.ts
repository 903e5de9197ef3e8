// Endpoints without a key: health, OpenAPI, the schema of a definition, and the reference page.
import { Hono } from "hono/tiny";
import { type AppEnv, type Call, jsonText } from "../context.ts";
import { VERSION } from "../../version.ts";

export const about = new Hono<AppEnv>()
  .get("/healthz", (call) =>
    call.json({ status: "ok", version: VERSION }, 200, { "cache-control": "no-store" }),
  )
  .get("/openapi.json", document)
  .get("/schemas/pipeline.json", schema)
  .get("/docs", docs);

// The document and all that it is made of are loaded at the first question for it: no run needs them.
async function document(): Promise<Response> {
  const { openApiText } = await import("../openapi/document.ts");
  return jsonText(openApiText());
}

async function schema(): Promise<Response> {
  const { pipelineSchemaText } = await import("../openapi/document.ts");
  return jsonText(pipelineSchemaText(), 200, {
    "content-type": "application/schema+json",
    // Editors fetch it from pages of their own; it is the same for everybody.
    "access-control-allow-origin": "*",
  });
}

async function docs(call: Call): Promise<Response> {
  const { docsPage } = await import("../openapi/docs-page.ts");
  const { html, policy } = await docsPage();
  return call.html(html, 200, { "content-security-policy": policy });
}
