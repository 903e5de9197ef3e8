// What a caller wants: the media type (RFC 9110, 12.5.1), how long to wait (RFC 7240), and whether stored results will
// do (RFC 9111, 5.2.1).

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
  for (const part of accept.split(",")) {
    const [range = "", ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
    const specificity =
      range === type ? 2 : range === `${type.split("/", 1)[0]}/*` ? 1 : range === "*/*" ? 0 : -1;
    if (specificity <= best.specificity) continue;
    const given = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const quality = given === undefined ? 1 : Number(given);
    best = { specificity, quality: Number.isFinite(quality) ? quality : 0 };
  }
  return best.quality;
}

export interface Preference {
  /** How long the answer may take in ms; null until the end. */
  wait_ms: number | null;
  /** What of the header was honoured, for Preference-Applied. */
  applied: string | null;
}

/** `Prefer: respond-async`, `Prefer: wait=N` (seconds); together, the wait holds. Anything else is ignored. */
export function readPrefer(header: string | null): Preference {
  // A preference may have parameters behind a semicolon, of which none is known here.
  const preferences = (header ?? "")
    .split(",")
    .map((part) => (part.split(";", 1)[0] ?? "").trim().toLowerCase());
  const wait = preferences
    .map((part) => /^wait\s*=\s*"?(\d{1,6})"?$/.exec(part)?.[1])
    .find((n) => n !== undefined);
  if (wait !== undefined) return { wait_ms: Number(wait) * 1_000, applied: `wait=${wait}` };
  if (preferences.includes("respond-async")) return { wait_ms: 0, applied: "respond-async" };
  return { wait_ms: null, applied: null };
}

/** `Cache-Control: no-cache`: no stored result will do. Its other directives are ignored. */
export function asksAnew(cacheControl: string | null): boolean {
  return (cacheControl ?? "").split(",").some((directive) => directive.trim().toLowerCase() === "no-cache");
}
