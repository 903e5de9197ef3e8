// What is shown of a prompt, which is any object of a pipeline's author, often with an agent's text in it: a heading,
// a lead, and the rest as a list of terms. It is data of others; nothing of it is markup.
import type { JsonObject } from "../../contract/json.ts";
// With it JSON.stringify writes integers that are BigInts.
import { isExact } from "../../core/json/exact-integer.ts";
import { escapeHtml, isolated, linkedText } from "./html.ts";

/** A longer text, or one of several lines, is a paragraph and no heading. */
const HEADING_CHARS = 140;
/** Lists within lists that a phone still has the width for; what is deeper is JSON. */
const LIST_DEPTH = 3;
/** Values that are laid out; a list after them is JSON, which is one element and so costs a browser little. */
const LISTED_VALUES = 400;
/** A text above one of these scrolls in a box of its own, so that the form stays in reach. */
const LONG_CHARS = 1_500;
const LONG_LINES = 25;
/** JSON above it is not indented: lists within lists would grow to many times their size. */
const INDENTED_CHARS = 16_384;

interface PromptParts {
  /** Text of the page's heading; null where the prompt has none that serves. */
  heading: string | null;
  /** HTML of what is shown before the form. */
  html: string;
}

/** The parts of a prompt: `title`, else `question`, is its heading, a `question` besides a title its lead. */
export function promptParts(prompt: JsonObject): PromptParts {
  const { title, question } = prompt;
  const heading = [title, question].find(isHeading) ?? null;
  const lead = question !== heading && typeof question === "string" ? question : null;
  const rest = Object.entries(prompt).filter(
    ([key, value]) => (key !== "title" && key !== "question") || (value !== heading && value !== lead),
  );
  return {
    heading,
    html: (lead === null ? "" : paragraph(lead, "Question")) + valuesHtml(Object.fromEntries(rest)),
  };
}

/** An object as a list of its keys and values; nothing where it is empty. */
export function valuesHtml(values: JsonObject): string {
  return Object.keys(values).length === 0 ? "" : list(values, 1, { left: LISTED_VALUES });
}

/** A key or a stage's name as a person reads it: `draft_text` is "Draft text". */
export function wordsOf(name: string): string {
  const words = name.replaceAll(/[_\s]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function isHeading(value: unknown): value is string {
  return (
    typeof value === "string" &&
    value.trim() !== "" &&
    value.length <= HEADING_CHARS &&
    !/[\n\r]/.test(value.trim())
  );
}

interface Budget {
  left: number;
}

function list(values: JsonObject, depth: number, budget: Budget): string {
  const terms = Object.entries(values).map(
    ([key, value]) => `<dt>${isolated(wordsOf(key))}</dt><dd>${valueHtml(value, key, depth, budget)}</dd>`,
  );
  return `<dl>${terms.join("")}</dl>`;
}

function valueHtml(value: unknown, key: string, depth: number, budget: Budget): string {
  budget.left -= 1;
  if (typeof value === "string") return value.trim() === "" ? NOTHING : paragraph(value, wordsOf(key));
  if (typeof value === "boolean") return value ? "Yes" : "No";
  if (typeof value === "number" || isExact(value)) return String(value);
  if (typeof value !== "object" || value === null) return NOTHING;
  const size = Object.keys(value).length;
  if (size === 0) return NOTHING;
  if (depth > LIST_DEPTH || size > budget.left) return preformatted(value, wordsOf(key));
  if (!Array.isArray(value)) return list(value as JsonObject, depth + 1, budget);
  const items = value.map((item: unknown) => `<li>${valueHtml(item, key, depth + 1, budget)}</li>`);
  return `<ul>${items.join("")}</ul>`;
}

const NOTHING = "<i>none</i>";

function paragraph(text: string, label: string): string {
  const isLong = text.length > LONG_CHARS || text.split("\n", LONG_LINES + 1).length > LONG_LINES;
  return `<div class="text" dir="auto"${isLong ? scrolling(label) : ""}>${linkedText(text)}</div>`;
}

function preformatted(value: object, label: string): string {
  const json = JSON.stringify(value);
  const shown = json.length > INDENTED_CHARS ? json : JSON.stringify(value, null, 2);
  // The line break is the one that HTML takes away.
  return `<pre dir="ltr"${scrolling(label)}>\n${escapeHtml(shown)}</pre>`;
}

/** A box that scrolls can be reached by the keyboard, and so has a name. */
function scrolling(label: string): string {
  return ` role="region" aria-label="${escapeHtml(label)}" tabindex="0"`;
}
