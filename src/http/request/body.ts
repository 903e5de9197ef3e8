// A caller's body: JSON, counted as it is read (a Content-Length may lie), decoded fatally, and checked against its
// schema, with every fault named by a JSON pointer.
import { readBytes } from "../../engine/read-bytes.ts";
import type * as z from "../../contract/zod.ts";
import { LIMITS } from "../../contract/limits.ts";
import { type CoordinatorError, err, type InputError, ok, type Result } from "../../contract/problem.ts";
import { cutText } from "../../contract/text.ts";
import { isExact, pointerToExact } from "../../core/json/exact-integer.ts";
import { readJson } from "../../core/json/json.ts";
import { closestShape } from "./closest-shape.ts";

/** The body as JSON. @param alsoTaken media types beside application/json */
export async function readJsonBody(
  request: Request,
  alsoTaken: readonly string[] = [],
): Promise<Result<unknown>> {
  const refusal = refusedType(request.headers, alsoTaken);
  if (refusal !== null) return err(refusal);
  const text = await readText(request.body);
  return text.ok ? jsonOf(text.value) : text;
}

/** Why a body of this type or coding is not read; null where it is. */
function refusedType(headers: Headers, alsoTaken: readonly string[]): CoordinatorError | null {
  const type = headers.get("content-type") ?? "";
  const media = (type.split(";", 1)[0] ?? "").trim().toLowerCase();
  if (media !== "application/json" && !alsoTaken.includes(media)) {
    return { code: "UNSUPPORTED_MEDIA_TYPE", received: printable(type) };
  }
  const coding = (headers.get("content-encoding") ?? "identity").trim().toLowerCase();
  return coding === "identity" ? null : { code: "UNSUPPORTED_MEDIA_TYPE", received: printable(coding) };
}

function jsonOf(text: string): Result<unknown> {
  const json = readJson(text);
  return json.ok ? json : err(invalid([{ pointer: json.error.pointer, detail: json.error.detail }]));
}

/** Validates a value by its schema. */
export function parseWith<S extends z.ZodMiniType>(schema: S, value: unknown): Result<z.output<S>> {
  const parsed = schema.safeParse(value);
  return parsed.success
    ? ok(parsed.data)
    : err(invalid(parsed.error.issues.flatMap((issue) => told(issue, value))));
}

/**
 * Reads the body and validates it by its schema. For what is defined, not for the data of a run: what browsers and
 * clients in JavaScript read, change and write again may hold no integer that they would change.
 */
export async function readBody<S extends z.ZodMiniType>(
  request: Request,
  schema: S,
  alsoTaken: readonly string[] = [],
): Promise<Result<z.output<S>>> {
  const json = await readJsonBody(request, alsoTaken);
  if (!json.ok) return json;
  const exact = pointerToExact(json.value);
  return exact === null ? parseWith(schema, json.value) : err(invalid([{ pointer: exact, detail: INEXACT }]));
}

/** The validated body, or `otherwise` if there is none. */
export async function readOptionalBody<S extends z.ZodMiniType>(
  request: Request,
  schema: S,
  otherwise: z.output<S>,
): Promise<Result<z.output<S>>> {
  // An empty body may come as a stream of nothing, with a content type or without: only reading shows it.
  const text = await readText(request.body);
  if (!text.ok) return text;
  if (text.value === "") return ok(otherwise);
  const refusal = refusedType(request.headers, []);
  if (refusal !== null) return err(refusal);
  const json = jsonOf(text.value);
  return json.ok ? parseWith(schema, json.value) : json;
}

const INEXACT = "is an integer beyond 2^53 whose digits JavaScript would change: send it as a string";

export function invalid(errors: InputError[]): CoordinatorError {
  return { code: "INVALID_REQUEST", errors };
}

async function readText(body: ReadableStream<Uint8Array> | null): Promise<Result<string>> {
  if (body === null) return ok("");
  try {
    const bytes = await readBytes(body, LIMITS.BODY_BYTES);
    if (bytes !== null) return ok(UTF8.decode(bytes));
    return err({ code: "RESOURCE_EXHAUSTED", what: "body", limit_bytes: LIMITS.BODY_BYTES });
  } catch {
    return err(invalid([{ pointer: "", detail: "is not UTF-8, or was truncated" }]));
  }
}

/** Made once: to make a decoder costs more than to decode a question. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

function told(issue: z.core.$ZodIssue, root: unknown): InputError[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ pointer: pointer([...path, key]), detail: "is not a known field" }));
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const { issues, own } = closestShape(issue.errors, valueAt(root, path));
    return [
      ...own.map((fault) => ({
        pointer: pointer([...path, ...fault.path.map(String)]),
        detail: fault.detail,
      })),
      ...issues.flatMap((inner) => told({ ...inner, path: [...issue.path, ...inner.path] }, root)),
    ];
  }
  const value = valueAt(root, path);
  if (issue.code === "invalid_key" || value === undefined) {
    // Of a key, the fault itself and not that there is one.
    const fault = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
    return [{ pointer: pointer(path), detail: value === undefined ? "is required" : fault }];
  }
  // A value under an agent's `headers` may be a misplaced credential: it is not echoed.
  const shown = path.includes("headers") ? "" : `, received ${show(value)}`;
  const message = isExact(value) ? issue.message.replace(/bigint$/, "an integer beyond 2^53") : issue.message;
  return [{ pointer: pointer(path), detail: `${message}${shown}` }];
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (at !== null && typeof at === "object" ? (at as Record<string, unknown>)[key] : undefined),
    root,
  );
}

/** The value as evidence: short, printable, and never a whole document. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return printable(text.length > 80 ? `${cutText(text, 77)}...` : text);
}

function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return cutText(text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, " "), 100);
}

/** A JSON pointer (RFC 6901). */
export function pointer(path: readonly string[]): string {
  return path.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
