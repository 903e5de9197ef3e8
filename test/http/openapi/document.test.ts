// The router against the document: no route missing on either side, every schema reachable, the page made of both.
import { describe, expect, test } from "vitest";
import { LIFECYCLE_TYPES } from "../../../src/contract/lifecycle.ts";
import { createApp } from "../../../src/http/app.ts";
import { docsPage } from "../../../src/http/openapi/docs-page.ts";
import { openApi, openApiText, pipelineSchemaText } from "../../../src/http/openapi/document.ts";
import { STATUS } from "../../../src/http/problem.ts";
import { allowedMethods, ENDPOINTS } from "../../../src/http/endpoints.ts";
import { queryParameters } from "../../../src/http/route.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
const document: any = await openApi(ENDPOINTS);
const routes = createApp()
  .routes.filter((route) => route.method !== "ALL")
  .map((route) => `${route.method} ${route.path}`);

describe("the document", () => {
  test("has every route of the router, and no other", () => {
    const described = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`),
    );
    expect(described.toSorted()).toEqual([...new Set(routes)].toSorted());
    expect(new Set(routes).size).toBe(routes.length);
  });

  test("refers to nothing that it does not hold", async () => {
    const text = await openApiText(ENDPOINTS);
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
    expect(references.length).toBeGreaterThan(20);
    for (const name of references) expect(Object.keys(document.components.schemas)).toContain(name);
  });

  test("documents 401 and 403 for every operation that needs a key, and for no other", () => {
    for (const { method, path, permission } of ENDPOINTS) {
      const { responses, security } = document.paths[path.replaceAll(/:(\w+)/g, "{$1}")][method];
      const needsKey = permission !== "public" && permission !== "token";
      expect("401" in responses && "403" in responses, path).toBe(needsKey);
      if (!needsKey) expect(security, path).toEqual([]);
    }
  });

  test("says of every operation that starts work that it may answer 429 and 503, and of none else", () => {
    for (const { method, path, starts_work } of ENDPOINTS) {
      const { responses } = document.paths[path.replaceAll(/:(\w+)/g, "{$1}")][method];
      expect("429" in responses && "503" in responses, path).toBe(starts_work !== undefined);
    }
  });

  test("has the query parameters that are checked, each described and of its own type", () => {
    for (const operation of ENDPOINTS) {
      const { method, path } = operation;
      const { parameters } = document.paths[path.replaceAll(/:(\w+)/g, "{$1}")][method];
      const described = parameters.filter((parameter: { in: string }) => parameter.in === "query");
      const names = described.map((parameter: { name: string }) => parameter.name);
      // The token is a security scheme.
      expect(names, path).toEqual(Object.keys(queryParameters(operation)).filter((name) => name !== "token"));
      for (const { description } of described) expect(description, path).toMatch(/\w/);
    }
    const [limit] = document.paths["/v1/executions"].get.parameters.filter(
      (parameter: { name: string }) => parameter.name === "limit",
    );
    expect(limit.schema).toEqual({ type: "integer", minimum: 1, maximum: 100, default: 20 });
  });

  test("describes the event stream with the schemas of its events", () => {
    const stream =
      document.paths["/v1/executions/{id}/events"].get.responses["200"].content["text/event-stream"];
    expect(stream.schema.contentSchema.oneOf).toHaveLength(3);
    expect(document.paths["/v1/executions"].post.responses["200"].content).toHaveProperty(
      "text/event-stream",
    );
  });

  test("has the data of each type of event, as the log has it", () => {
    const { LifecycleEvent } = document.components.schemas;
    const shapes = LifecycleEvent.oneOf.map(({ properties }: { properties: Record<string, object> }) => [
      (properties["type"] as { const: string }).const,
      properties["data"],
    ]);
    expect(shapes.map(([type]: [string]) => type)).toEqual(LIFECYCLE_TYPES);
    const data = Object.fromEntries(shapes);
    expect(data["execution.completed"]).toEqual({ $ref: "#/components/schemas/PipelineExecution" });
    expect(data["stage.failed"]).toEqual({ $ref: "#/components/schemas/StageResult" });
    expect(Object.keys(data["execution.started"].properties)).toContain("stages");
    expect(data["stage.retrying"].required).toEqual(["error", "delay_ms", "next_attempt"]);
    const [byBudget, byCaller] = data["execution.paused"].anyOf;
    expect(byBudget.required).toEqual(["mode", "reason", "spent", "limit", "by_stage"]);
    expect(byCaller.properties.mode.enum).toEqual(["drain", "abort"]);
  });

  test("has bounds from the schemas that validate", () => {
    const { ExecutionRequest, CoordinatorConfig } = document.components.schemas;
    expect(ExecutionRequest.required.toSorted()).toEqual(["conversation_id", "query"]);
    expect(ExecutionRequest.additionalProperties).toBe(false);
    expect(ExecutionRequest.properties.query.maxLength).toBe(32_768);
    expect(CoordinatorConfig.properties.max_concurrent_stages.maximum).toBe(6);
  });

  test("gives every code of the problem schema a status", () => {
    expect(document.components.schemas.Problem.properties.code.enum.toSorted()).toEqual(
      Object.keys(STATUS).toSorted(),
    );
  });
});

test("no schema's name is of a body and of an answer: the two differ in what is required", () => {
  const bodies = ENDPOINTS.flatMap(({ body }) => (body === undefined ? [] : [body.name]));
  const answers = new Set<unknown>(ENDPOINTS.flatMap((endpoint) => Object.values(endpoint.answers)));
  expect(bodies.filter((name) => answers.has(name))).toEqual([]);
  expect([bodies.length, answers.size].every((count) => count > 8)).toBe(true);
});

test("operation ids are unique, and each endpoint has its own route", () => {
  expect(new Set(ENDPOINTS.map(({ id }) => id)).size).toBe(ENDPOINTS.length);
  expect(new Set(ENDPOINTS.map(({ method, path }) => `${method} ${path}`)).size).toBe(ENDPOINTS.length);
});

test("the schema of a definition is self-contained, for editors", () => {
  const schema = JSON.parse(pipelineSchemaText());
  expect(schema.$schema).toBe("https://json-schema.org/draft/2020-12/schema");
  expect(schema.properties.stages.items.required).toEqual(["name"]);
  expect(pipelineSchemaText()).not.toContain("#/components");
});

test("the page has every operation and every schema, and loads and runs nothing", async () => {
  const { html, policy } = await docsPage(ENDPOINTS);
  for (const { id, path } of ENDPOINTS) {
    expect(html.includes(`<article id="${id}">`), id).toBe(true);
    expect(html.includes(path.replaceAll(/:(\w+)/g, "{$1}")), path).toBe(true);
  }
  for (const name of Object.keys(document.components.schemas))
    expect(html.includes(`id="schema-${name}"`), name).toBe(true);
  expect(html.match(/<script|<link|<img|src=|https?:\/\/(?!json-schema)|\son\w+=/i)).toBeNull();
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
});

test("a path's methods are those of its operations, with HEAD and OPTIONS", () => {
  expect(allowedMethods("/v1/config")).toEqual(["GET", "HEAD", "PATCH", "OPTIONS"]);
  expect(allowedMethods("/v1/pipelines/validate")).toEqual([
    "POST",
    "GET",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
  ]);
  expect(allowedMethods("/v1/config/")).toEqual([]);
  expect(allowedMethods("/nowhere")).toEqual([]);
});
