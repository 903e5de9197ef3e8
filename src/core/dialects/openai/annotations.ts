// Citations as OpenAI's annotations: those that have an address, with the place of their mark in the text.
import type { Citation } from "../citations.ts";
import { citationTitle } from "../citations.ts";

export interface UrlCitation {
  url: string;
  title: string;
  /** Of its mark `[n]`, in UTF-16 units; both are the end of the text where it has none. */
  start_index: number;
  end_index: number;
}

/** @param offset where the text begins in its message, in UTF-16 units */
export function urlCitations(citations: readonly Citation[], text: string, offset = 0): UrlCitation[] {
  return citations.flatMap((citation) => {
    const { url, index } = citation;
    if (url === undefined) return [];
    const mark = `[${index}]`;
    const at = text.indexOf(mark);
    const [start, end] = at === -1 ? [text.length, text.length] : [at, at + mark.length];
    const title = citationTitle(citation);
    return [{ url, title, start_index: offset + start, end_index: offset + end }];
  });
}
