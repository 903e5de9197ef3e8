// The prompt of a question in one line, as the inbox and the terminal show it.
import type { JsonObject } from "./json.ts";

const HEADINGS = ["title", "question", "message", "text"] as const;

/** The key of a prompt whose text says what is asked; null where it has none. */
export function headingKey(prompt: JsonObject): string | null {
  return HEADINGS.find((key) => typeof prompt[key] === "string" && prompt[key] !== "") ?? null;
}

/** What is asked: a prompt's heading, else the prompt as JSON; empty where there is no prompt. */
export function questionText(prompt: JsonObject): string {
  const key = headingKey(prompt);
  if (key !== null) return String(prompt[key]);
  return Object.keys(prompt).length === 0 ? "" : JSON.stringify(prompt);
}
