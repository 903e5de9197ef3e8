// The page that a person without a key opens (`respond_url`): a question of a pipeline and a form for the answer, or
// why there is none any more. A pure renderer; the route reads the token and the form. No script: it works with any
// browser, by keyboard and with a screen reader, and its policy allows its own style alone.
//
// The form has no field against forgery from other sites. What such a field proves, that the sender of the form has
// read the page, the token in the page's address proves already: there is no cookie that a browser would add by itself,
// so another site that can address the form could open the page as well. (For a check of `Origin` there is nothing to
// read either: a form of a page without referrer sends `Origin: null`.)
import type { JsonObject } from "../../contract/json.ts";
import type { FormField } from "../../core/schemas/form-fields.ts";
import { type Entered, formHtml } from "./form.ts";
import { escapeHtml, isolated, timeHtml } from "./html.ts";
import { promptParts, valuesHtml, wordsOf } from "./prompt.ts";
import { STYLE, STYLE_HASH } from "./style.ts";

export interface OpenView extends Entered {
  state: "open";
  pipeline: string;
  stage: string;
  prompt: JsonObject;
  fields: readonly FormField[];
  /** ISO 8601, as in an OpenWait. */
  expires_at: string;
}

export type RespondView =
  | OpenView
  /** Answered before: `by` as StageResult's `answered_by`, `at` in ISO 8601. */
  | { state: "answered"; by?: string | null; at?: string | null }
  | { state: "expired"; at?: string | null }
  /** The run ended, or went on, without an answer. */
  | { state: "cancelled" }
  /** This answer was taken. */
  | { state: "thanks"; data: JsonObject }
  /** The token is none. */
  | { state: "unknown" };

export interface RespondPage {
  html: string;
  /** For `pageHeaders`. */
  csp: string;
  status: 200 | 404 | 409 | 422;
}

const CSP = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;

/** The page of a view. */
export function respondPage(view: RespondView): RespondPage {
  if (view.state !== "open") return notice(view);
  const { heading, html } = promptParts(view.prompt);
  const h1 = heading === null ? "Your answer is needed" : escapeHtml(heading);
  const isFaulty = view.faults !== undefined && view.faults.length > 0;
  return page(
    isFaulty ? 422 : 200,
    // Without the heading: in a title nothing ends the direction marks of an author's text.
    `${isFaulty ? "Error: " : ""}Your answer is needed: ${wordsOf(view.stage)}`,
    `<main><p class="status">Waiting for your answer until ${timeHtml(view.expires_at)}</p>
<h1 dir="auto">${h1}</h1>${html}
<form method="post" aria-label="Your answer">${formHtml(view.fields, view)}</form></main>
<footer>Asked by the step “${isolated(view.stage)}” of the pipeline “${isolated(view.pipeline)}”. The answer can be given once. Do not enter passwords here.</footer>`,
  );
}

/** The headers of every such page. The address is a secret: it is neither referred to, nor kept, nor indexed. */
export function pageHeaders(csp: string): Record<string, string> {
  return {
    "content-type": "text/html; charset=UTF-8",
    "content-security-policy": csp,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
  };
}

function notice(view: Exclude<RespondView, OpenView>): RespondPage {
  switch (view.state) {
    case "answered":
      return messagePage(409, "Answered", "This question has already been answered", [
        `${answerer(view.by)}${view.at == null ? "" : ` on ${timeHtml(view.at)}`}. An answer cannot be changed here.`,
        "If it was not you, or the answer is wrong, write to the person who sent you this link.",
      ]);
    case "expired":
      return messagePage(409, "Expired", "The time for an answer is over", [
        `${view.at == null ? "The question" : `The question was open until ${timeHtml(view.at)} and`} can no longer be answered.`,
        "If your answer still matters, write to the person who sent you this link.",
      ]);
    case "cancelled":
      return messagePage(409, "Cancelled", "An answer is no longer needed", [
        "What asked this question has ended without your answer. Nothing is left for you to do.",
        "If this surprises you, write to the person who sent you this link.",
      ]);
    case "thanks": {
      const data = valuesHtml(view.data);
      const answer =
        data === "" ? "" : `<section aria-label="Your answer"><h2>Your answer</h2>${data}</section>`;
      return messagePage(
        200,
        "Answered",
        "Thank you",
        ["Your answer is saved. You can close this page."],
        answer,
      );
    }
    case "unknown":
      return messagePage(404, "Not found", "This link does not work", [
        "It may be incomplete, or it is no longer valid. Open it once more from the message in which you got it.",
        "If it still does not work, ask the person who sent it for another.",
      ]);
  }
}

/** Of a key or a token the reader knows neither name nor owner. */
function answerer(by: string | null | undefined): string {
  if (by === "timeout") return "The time was over, and the answer that is set for this case was taken";
  return "Somebody answered it";
}

/** @param words of the state, paragraphs: HTML */
function messagePage(
  status: RespondPage["status"],
  words: string,
  heading: string,
  paragraphs: readonly string[],
  more = "",
): RespondPage {
  const text = paragraphs.map((each) => `<p>${each}</p>`).join("");
  return page(
    status,
    heading,
    `<main><p class="status">${words}</p><h1>${heading}</h1>${text}${more}</main>`,
  );
}

function page(status: RespondPage["status"], title: string, body: string): RespondPage {
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
${body}</body></html>`;
  return { html, csp: CSP, status };
}
