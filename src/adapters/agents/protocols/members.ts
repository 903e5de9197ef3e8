// Picks members of values that other protocols' agents sent: by name and type, and one of another type is as absent.
import { LIMITS } from "../../../contract/limits.ts";
import { answerText } from "../../../core/dialects/answer-fold.ts";
import type { ConversationTurn } from "../../../contract/execution.ts";
import { isObject } from "../../../core/json/json.ts";

/** Maximum depth of an answer's data: an answer of the native protocol has it inside an object. */
export const DATA_DEPTH = LIMITS.JSON_DEPTH - 1;

export type Members = Readonly<Record<string, unknown>>;

/** The members of an object; none of any other value. */
export function membersOf(value: unknown): Members {
  return isObject(value) ? value : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The members that have a value. */
export function present<Value>(
  members: Readonly<Record<string, Value | null | undefined>>,
): Record<string, Value> {
  const entries = Object.entries(members).filter(([, value]) => (value ?? null) !== null);
  return Object.fromEntries(entries) as Record<string, Value>;
}

/** A string; null for any other value, and for an empty one. */
export function wordOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** The text of a message's content: a string, or the texts in a list of parts. */
export function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  return listOf(content)
    .map((part) => {
      if (typeof part === "string") return part;
      const { type, text } = membersOf(part);
      return (type === undefined || type === "text") && typeof text === "string" ? text : "";
    })
    .join("");
}

/** An HTTP status that an error names, as a number or in digits. */
export function statusOf(value: unknown): number | null {
  const status = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
  return Number.isInteger(status) && Number(status) >= 400 && Number(status) <= 599 ? Number(status) : null;
}

/** The conversation's turns that have a text, as the messages of a chat. */
export function historyMessages(
  history: readonly ConversationTurn[],
): { role: "user" | "assistant"; content: string }[] {
  return history.flatMap(({ query, answer }) => {
    const text = typeof answer === "string" ? answer : answerText(answer);
    if (text === "") return [];
    return [
      { role: "user" as const, content: query },
      { role: "assistant" as const, content: text },
    ];
  });
}

/** The value of a JSON text of which a few members are read; undefined for any other text. */
export function parsed(data: string): unknown {
  try {
    return JSON.parse(data) as unknown;
  } catch {
    return undefined;
  }
}
