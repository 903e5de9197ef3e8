// An agent's own message about its failure, taken from the response body of any framework: problem details,
// `{"error": …}`, FastAPI's `{"detail": [{loc, msg}]}`, a page, plain text.
import { htmlText } from "./html-text.ts";

/** A text with more undecodable characters than this share of it is not text. */
const UNDECODABLE_SHARE = 0.1;
/** Maximum number of reported errors of a list. */
const FAULTS_MOST = 20;
/** Members that say nothing beyond the status. */
const SILENT: ReadonlySet<string> = new Set([
  "status",
  "statusCode",
  "type",
  "instance",
  "retryable",
  "path",
]);

/**
 * The agent's words in a body, on one line; null where it has none. As long as the body is: the caller cuts it.
 * @param type the body's media type, in lower case; "" where there is none
 */
export function agentMessage(body: string, type: string): string | null {
  const text = body.replace(/^\ufeff/, "");
  if (!isText(text)) return null;
  const value = parsed(text);
  const words = value === undefined ? plainMessage(text, type) : (wordsOf(value) ?? rest(value));
  const line = words?.replaceAll(/\s+/g, " ").trim() ?? "";
  return line === "" ? null : line;
}

/** The error message in a JSON value that an agent sent instead of an answer; null if there is no known one. */
export function wordsOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return listed(value);
  if (value === null || typeof value !== "object") return null;
  const { detail, error, message, errors, error_description, title } = value as Record<string, unknown>;
  const specific = [detail, error_description].map(textOf).find((text) => text !== null);
  if (specific !== undefined) return specific;
  const [name, explained] = [textOf(error), textOf(message)];
  // Spring, NestJS and others put the status' name into `error`, and what went wrong into `message`.
  if (name !== null && explained !== null && name !== explained) return `${name}: ${explained}`;
  return name ?? explained ?? textOf(errors) ?? textOf(title);
}

/** A member's text: a string, the words of an object, or a list of them. */
function textOf(member: unknown): string | null {
  if (typeof member === "string") return member.trim() === "" ? null : member;
  if (Array.isArray(member)) return listed(member);
  if (member === null || typeof member !== "object") return null;
  const { msg, message, detail, error, title, reason, description } = member as Record<string, unknown>;
  const text = [message, msg, detail, error, reason, description, title].find(
    (candidate): candidate is string => typeof candidate === "string" && candidate.trim() !== "",
  );
  if (text === undefined) return JSON.stringify(member);
  const place = placeOf((member as Record<string, unknown>)["loc"]);
  return place === null ? text : `${place}: ${text}`;
}

function listed(items: readonly unknown[]): string | null {
  const texts = items.slice(0, FAULTS_MOST).flatMap((item) => textOf(item) ?? []);
  return texts.length === 0 ? null : texts.join("; ");
}

/** FastAPI's `loc`: `["body", "query"]` is body.query. */
function placeOf(loc: unknown): string | null {
  if (typeof loc === "string" && loc !== "") return loc;
  return Array.isArray(loc) && loc.length > 0 ? loc.map(String).join(".") : null;
}

/** A JSON value without a known message member is shown as it is, unless it is empty. */
function rest(value: unknown): string | null {
  if (value === null) return null;
  if (typeof value === "object" && Object.keys(value).every((key) => SILENT.has(key))) return null;
  return JSON.stringify(value);
}

function plainMessage(text: string, type: string): string {
  const isMarkup = /\b(?:html|xml)\b/.test(type) || /^\s*<(?:!doctype|html|head|body|\?xml)\b/i.test(text);
  return isMarkup ? htmlText(text) : text;
}

/** False for what is an image, an archive or any other bytes. */
function isText(text: string): boolean {
  if (text.includes("\u0000")) return false;
  const undecodable = text.split("\ufffd").length - 1;
  return undecodable <= text.length * UNDECODABLE_SHARE;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
