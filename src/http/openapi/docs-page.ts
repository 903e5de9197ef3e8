// The reference page: the OpenAPI document as HTML, rendered here. It loads nothing and runs nothing, so it works
// offline and under a policy that allows its own style alone.
import type { TaggedEndpoint } from "../endpoint.ts";
import { openApi } from "./document.ts";

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 0 auto; padding: 1rem }
nav a { margin-right: 1rem }
article { border-top: 1px solid; padding: .5rem 0 }
h3 { font: 1rem ui-monospace, monospace; margin: .5rem 0 }
b { text-transform: uppercase }
pre { overflow: auto; padding: .5rem; border: 1px solid }
td, th { text-align: left; vertical-align: top; padding-right: 1rem }`;

// oxlint-disable-next-line typescript/no-explicit-any -- a document that this house has made itself.
type Any = any;

interface Page {
  html: string;
  /** The Content-Security-Policy that it needs. */
  policy: string;
}

let made: Promise<Page> | null = null;

export function docsPage(endpoints: readonly TaggedEndpoint[]): Promise<Page> {
  made ??= make(endpoints);
  return made;
}

async function make(endpoints: readonly TaggedEndpoint[]): Promise<Page> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(STYLE));
  const style = btoa(String.fromCharCode(...new Uint8Array(hash)));
  return {
    html: render(await openApi(endpoints)),
    policy: `default-src 'none'; style-src 'sha256-${style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  };
}

function render(document: Any): string {
  const { info, tags, paths, components } = document;
  const operations = Object.entries<Any>(paths).flatMap(([path, methods]) =>
    Object.entries<Any>(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = tags.map(
    (tag: Any) =>
      `<h2 id="${text(tag.name)}">${text(tag.description)}</h2>${operations
        .filter(({ operation }) => operation.tags.includes(tag.name))
        .map(article)
        .join("")}`,
  );
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="schema-${text(name)}"><summary>${text(name)}</summary><pre>${text(JSON.stringify(schema, null, 2))}</pre></details>`,
  );
  const links = tags.map((tag: Any) => `<a href="#${text(tag.name)}">${text(tag.name)}</a>`);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${text(info.title)} API</title><style>${STYLE}</style></head><body>
<h1>${text(info.title)} API ${text(info.version)}</h1><p>${text(info.summary)} Also available as <a href="/openapi.json">OpenAPI</a>.</p>
<nav>${links.join("")}<a href="#schemas">schemas</a></nav>${sections.join("")}
<h2 id="schemas">Schemas</h2>${schemas.join("")}</body></html>`;
}

function article({ path, method, operation }: { path: string; method: string; operation: Any }): string {
  const parameters = operation.parameters.map(
    (parameter: Any) =>
      `<tr><td><code>${text(parameter.name)}</code></td><td>${text(parameter.in)}</td><td>${text(parameter.description ?? "")}</td></tr>`,
  );
  const answers = Object.entries<Any>(operation.responses).map(
    ([status, answer]) =>
      `<tr><td>${text(status)}</td><td>${text(answer.description)}</td><td>${schemaLinks(answer.content)}</td></tr>`,
  );
  const body =
    operation.requestBody === undefined ? "" : `<p>Body: ${schemaLinks(operation.requestBody.content)}</p>`;
  return `<article id="${text(operation.operationId)}"><h3><b>${text(method)}</b> ${text(path)}</h3><p>${text(operation.summary)}</p>${body}${
    parameters.length === 0 ? "" : `<table>${parameters.join("")}</table>`
  }<table>${answers.join("")}</table></article>`;
}

function schemaLinks(content: Any): string {
  return Object.entries<Any>(content ?? {})
    .map(([type, { schema }]) => {
      const name = schema.$ref?.split("/").at(-1);
      return name === undefined ? text(type) : `<a href="#schema-${text(name)}">${text(name)}</a>`;
    })
    .join(", ");
}

function text(value: unknown): string {
  return String(value)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
