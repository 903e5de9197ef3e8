// Citations in a stage's data (src/contract/README.md section 4), as people wrote them: members of another type are as
// absent, and only http(s) addresses count as URLs.
import { isObject } from "../json/json.ts";

/** A source that an answer names. */
export interface Citation {
  /** As the text has it in brackets; else its place in the list, from 1. */
  index: number;
  title?: string;
  /** http or https. */
  url?: string;
  document?: string;
  heading?: string;
  text?: string;
  reference?: string;
  media_type?: string;
}

/** What a list longer than this is cut to: readers show each as a part of its own. */
const MOST = 100;

/** The citations of a stage's data, in its order; none where it has no list of them. */
export function citationsIn(data: unknown): Citation[] {
  const list: unknown = isObject(data) && Object.hasOwn(data, "citations") ? data["citations"] : null;
  if (!Array.isArray(list)) return [];
  return list.slice(0, MOST).flatMap((entry: unknown, place) => {
    if (!isObject(entry)) return [];
    const { index } = entry;
    const citation: Citation = { index: Number.isSafeInteger(index) ? (index as number) : place + 1 };
    for (const name of TEXTS) {
      const value = entry[name];
      if (typeof value === "string" && value !== "") citation[name] = value;
    }
    if (citation.url !== undefined && !isWebUrl(citation.url)) delete citation.url;
    return [citation];
  });
}

const TEXTS = ["title", "url", "document", "heading", "text", "reference", "media_type"] as const;

/** What people read of it where it has no title. */
export function citationTitle({ title, document, url, index }: Citation): string {
  return title ?? document ?? url ?? `[${index}]`;
}

/** What a citation is known by in its run. @param execution_id, stage of the answer that names it */
export function citationId(execution_id: string, stage: string, { index }: Citation): string {
  return `${execution_id}.${stage}.c${index}`;
}

/** What its document is, by its name where it does not say. */
export function citationMediaType({ media_type, document = "" }: Citation): string {
  const extension = /\.([a-z0-9]+)$/i.exec(document)?.[1]?.toLowerCase() ?? "md";
  return media_type ?? MEDIA_TYPES[extension] ?? "text/plain";
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  md: "text/markdown",
  html: "text/html",
  pdf: "application/pdf",
  json: "application/json",
};

function isWebUrl(url: string): boolean {
  return /^https?:\/\//i.test(url) && URL.canParse(url);
}
