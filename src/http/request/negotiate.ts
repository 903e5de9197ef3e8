// Content negotiation: the media type (RFC 9110, 12.5.1), how long to wait (RFC 7240), and whether stored results may
// be used (RFC 9111, 5.2.1).
import { readWord, splitField } from "./field-lists.ts";

/** The offered type that the Accept header likes best, or null; no header takes the first. */
export function preferredType(accept: string | null, offered: readonly string[]): string | null {
  if (accept === null || accept.trim() === "") return offered[0] ?? null;
  let best: { type: string; quality: number } | null = null;
  for (const type of offered) {
    const quality = qualityOf(accept, type);
    if (quality > 0 && (best === null || quality > best.quality)) best = { type, quality };
  }
  return best?.type ?? null;
}

/** The most specific range that matches decides. */
function qualityOf(accept: string, type: string): number {
  let best = { specificity: -1, quality: 0 };
  for (const part of splitField(accept, ",")) {
    const [range = "", ...parameters] = splitField(part, ";").map((piece) => piece.toLowerCase());
    const specificity =
      range === type ? 2 : range === `${type.split("/", 1)[0]}/*` ? 1 : range === "*/*" ? 0 : -1;
    if (specificity <= best.specificity) continue;
    const given = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    best = { specificity, quality: given === undefined ? 1 : weightOf(given) };
  }
  return best.quality;
}

/** A malformed weight is 0: a range that was meant to be ranked must not count as the best. */
function weightOf(text: string): number {
  return /^(?:0(?:\.\d*)?|1(?:\.0*)?)$/.test(text) ? Number(text) : 0;
}

export interface Preference {
  /** How long the answer may take in ms; null until the end. */
  wait_ms: number | null;
  /** What of the header was honoured, for Preference-Applied. */
  applied: string | null;
}

/** A timer has 31 bits of ms: a longer wait is one until the end. */
const LONGEST_WAIT_SECONDS = 2_147_483;

/**
 * `Prefer: respond-async`, `Prefer: wait=N` (seconds); together, the wait holds. Of a preference that is given twice the
 * first counts; one that is unknown, or whose value is none, is ignored.
 */
export function readPrefer(header: string | null): Preference {
  const preferences = new Map<string, string | null>();
  for (const part of splitField(header ?? "", ",")) {
    // Parameters of a preference: none is known.
    const [, name, value = ""] = /^([^\s=]+)(?:\s*=\s*(.*))?$/.exec(splitField(part, ";")[0] ?? "") ?? [];
    const key = name?.toLowerCase();
    if (key !== undefined && !preferences.has(key)) preferences.set(key, readWord(value));
  }
  const wait = preferences.get("wait") ?? "";
  const seconds = /^\d{1,15}$/.test(wait) ? Number(wait) : null;
  const isAsync = preferences.has("respond-async");
  const applied = [...(isAsync ? ["respond-async"] : []), ...(seconds === null ? [] : [`wait=${seconds}`])];
  return {
    wait_ms: waitOf(seconds, isAsync),
    applied: applied.length === 0 ? null : applied.join(", "),
  };
}

function waitOf(seconds: number | null, isAsync: boolean): number | null {
  if (seconds === null) return isAsync ? 0 : null;
  return seconds > LONGEST_WAIT_SECONDS ? null : seconds * 1_000;
}

/** `Cache-Control: no-cache`: no stored result will do. Its other directives are ignored. */
export function bypassesCache(cacheControl: string | null): boolean {
  return (cacheControl ?? "").split(",").some((directive) => directive.trim().toLowerCase() === "no-cache");
}
