// A caller's body: JSON, counted as it is read (a Content-Length may lie), decoded fatally, and checked against its
// schema, with every fault named by a JSON pointer.
import type * as z from "../../contract/zod.ts";
import { LIMITS } from "../../contract/limits.ts";
import { type CoordinatorError, err, type InputError, ok, type Result } from "../../contract/problem.ts";
import { cutText } from "../../contract/text.ts";
import { isExact, pointerToExact } from "../../core/json/exact-integer.ts";
import { readJson } from "../../core/json/json.ts";
import { readBytes } from "../../engine/read-bytes.ts";
import { FORM_TYPE, JSON_TYPE } from "../route.ts";
import { closestShape } from "./closest-shape.ts";

/** What an endpoint takes as its body. */
export interface Body<Schema extends z.ZodMiniType = z.ZodMiniType> {
  /** The schema's name in the OpenAPI document. */
  name: string;
  schema: Schema;
  /** Counted as it is read; LIMITS.BODY_BYTES if absent. */
  max_bytes?: number;
  /** Media types beside application/json. */
  also?: readonly string[];
  /**
   * For the data of a run, whose integers keep their digits. Absent for what is defined: what browsers and clients in
   * JavaScript read, change and write again may hold no integer that they would change.
   */
  any_integer?: true;
  /** Of a body that may be left out: what an empty one means. */
  absent?: z.output<Schema>;
}

export interface ReadBody {
  /** Parsed by the schema. */
  value: unknown;
  /** The JSON as it was sent. */
  sent: unknown;
}

/** Reads the body and validates it by its schema. */
export async function readBody({ headers, body }: Request, as: Body): Promise<Result<ReadBody>> {
  const refusal = refusedType(headers, as.also ?? []);
  const isOptional = as.absent !== undefined;
  if (refusal !== null && !isOptional) return err(refusal);
  const text = await readText(body, as.max_bytes ?? LIMITS.BODY_BYTES);
  if (!text.ok) return text;
  // An empty body may come as a stream of nothing, with a content type or without: only reading shows it.
  if (isOptional && text.value === "") return ok({ value: as.absent, sent: undefined });
  if (refusal !== null) return err(refusal);
  const json = jsonOf(text.value);
  if (!json.ok) return json;
  const exact = as.any_integer === true ? null : pointerToExact(json.value);
  if (exact !== null) return err(invalid([{ pointer: exact, detail: INEXACT }]));
  const parsed = parseWith(as.schema, json.value);
  return parsed.ok ? ok({ value: parsed.value, sent: json.value }) : parsed;
}

/** The names and texts of a form, as a browser sends it. */
export async function readFormBody({ headers, body }: Request): Promise<Result<[string, string][]>> {
  const refusal = refusedType(headers, [FORM_TYPE]);
  if (refusal !== null) return err(refusal);
  const text = await readText(body, LIMITS.BODY_BYTES);
  return text.ok ? ok([...new URLSearchParams(text.value)]) : text;
}

/** The type of a body, without its parameters. */
export function mediaType(headers: Headers): string {
  return (headers.get("content-type")?.split(";", 1)[0] ?? "").trim().toLowerCase();
}

/** Why a body of this type or coding is not read; null where it is. */
function refusedType(headers: Headers, also: readonly string[]): CoordinatorError | null {
  const media = mediaType(headers);
  if (media !== JSON_TYPE && !also.includes(media)) {
    return { code: "UNSUPPORTED_MEDIA_TYPE", received: printable(headers.get("content-type") ?? "") };
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
    : err(invalid(parsed.error.issues.flatMap((issue) => faultsOf(issue, value))));
}

const INEXACT = "is an integer beyond 2^53 whose digits JavaScript would change: send it as a string";

export function invalid(errors: InputError[]): CoordinatorError {
  return { code: "INVALID_REQUEST", errors };
}

async function readText(
  body: ReadableStream<Uint8Array> | null,
  limit_bytes: number,
): Promise<Result<string>> {
  if (body === null) return ok("");
  try {
    const bytes = await readBytes(body, limit_bytes);
    if (bytes !== null) return ok(UTF8.decode(bytes));
    return err({ code: "RESOURCE_EXHAUSTED", what: "body", limit_bytes });
  } catch {
    return err(invalid([{ pointer: "", detail: "is not UTF-8, or was truncated" }]));
  }
}

/** Made once: to make a decoder costs more than to decode a question. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

function faultsOf(issue: z.core.$ZodIssue, root: unknown): InputError[] {
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
      ...issues.flatMap((inner) => faultsOf({ ...inner, path: [...issue.path, ...inner.path] }, root)),
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
