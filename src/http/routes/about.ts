// Endpoints without a key: health, OpenAPI, the schema of a definition, and the reference page.
import { VERSION } from "../../version.ts";
import { type Endpoint, endpoint, type TaggedEndpoint } from "../endpoint.ts";
import { HTML_TYPE, JSON_TYPE } from "../route.ts";

const SCHEMA_TYPE = "application/schema+json";

// The document and all that it is made of are loaded at the first request for it: no run needs them.

/** @param all every endpoint, these too: what the document describes */
export const about = (all: () => readonly TaggedEndpoint[]): Endpoint[] => [
  endpoint({
    id: "get_health",
    method: "get",
    path: "/healthz",
    permission: "public",
    answers: { 200: "Health" },
    describe: () => ({
      summary: "Check that the coordinator is up",
      answers: { 200: "The coordinator is up" },
    }),
    handle: () => ({
      status: 200,
      json: { status: "ok" as const, version: VERSION },
      headers: { "cache-control": "no-store" },
    }),
  }),
  endpoint({
    id: "get_openapi",
    method: "get",
    path: "/openapi.json",
    permission: "public",
    answers: { 200: { media: JSON_TYPE } },
    describe: () => ({
      summary: "Get this OpenAPI document",
      answers: { 200: "OpenAPI 3.1" },
    }),
    handle: async () => {
      const { openApiText } = await import("../openapi/document.ts");
      return { status: 200, media: await openApiText(all()), type: JSON_TYPE };
    },
  }),
  endpoint({
    id: "get_pipeline_schema",
    method: "get",
    path: "/schemas/pipeline.json",
    permission: "public",
    produces: [SCHEMA_TYPE, JSON_TYPE],
    answers: { 200: { media: SCHEMA_TYPE } },
    describe: () => ({
      summary: "Get the JSON Schema of a pipeline definition, for editors",
      answers: { 200: "JSON Schema 2020-12" },
    }),
    handle: async () => {
      const { pipelineSchemaText } = await import("../openapi/document.ts");
      return {
        status: 200,
        media: pipelineSchemaText(),
        type: SCHEMA_TYPE,
        // Editors fetch it from pages of their own; it is the same for every caller.
        headers: { "access-control-allow-origin": "*" },
      };
    },
  }),
  endpoint({
    id: "get_docs",
    method: "get",
    path: "/docs",
    permission: "public",
    produces: [HTML_TYPE],
    answers: { 200: { media: HTML_TYPE } },
    describe: () => ({
      summary: "Get the API reference as an HTML page",
      answers: { 200: "The HTML page" },
    }),
    handle: async () => {
      const { docsPage } = await import("../openapi/docs-page.ts");
      const { html, policy } = await docsPage(all());
      const headers = { "content-security-policy": policy };
      return { status: 200, media: html, type: `${HTML_TYPE}; charset=UTF-8`, headers };
    },
  }),
];
