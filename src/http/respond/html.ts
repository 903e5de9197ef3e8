// HTML as text: escaping, and texts of others as they are shown. Nothing of a text is interpreted but its line breaks
// and the http(s) addresses in it.

/** What a browser need not lay out is not sent: an address longer than this is text. */
const LINK_CHARS = 2_048;

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A text for content and for attributes in quotes. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (mark) => ENTITIES[mark] ?? "");
}

/** A text of others within a line: its direction marks end where it ends. */
export function isolated(text: string): string {
  return `<bdi>${escapeHtml(text)}</bdi>`;
}

/**
 * A text with its http(s) addresses as links. Printable ASCII without "<> alone is taken for an address, so that a
 * link shows what it leads to; one with a user name is none, since the user name would be read as the host.
 */
export function linkedText(text: string): string {
  let html = "";
  let from = 0;
  for (const { index, 0: found } of text.matchAll(/https?:\/\/[!#-;=?-~]+/gi)) {
    const url = withoutEnd(found);
    // What goes on in other letters would lead elsewhere than it says.
    const isCut = /[^\s"<>]/.test(text.charAt(index + found.length));
    if (isCut || !leads(url)) continue;
    const shown = escapeHtml(url);
    // In a tab of its own: what was entered into the form stays.
    const link = `<a href="${shown}" target="_blank" rel="noopener noreferrer nofollow">${shown}</a>`;
    html += escapeHtml(text.slice(from, index)) + link;
    from = index + url.length;
  }
  return html + escapeHtml(text.slice(from));
}

/** Without the marks of the sentence that it ends. A loop: a regular expression would try from each of 64 Ki marks. */
function withoutEnd(url: string): string {
  let end = url.length;
  while (".,;:!?)]}'".includes(url.charAt(end - 1))) end -= 1;
  return url.slice(0, end);
}

function leads(url: string): boolean {
  const parsed = url.length <= LINK_CHARS && URL.canParse(url) ? new URL(url) : null;
  return parsed !== null && parsed.username === "" && parsed.password === "";
}

/** A time in UTC, to the minute. @param iso as events and answers show it */
export function timeHtml(iso: string): string {
  // "Sat, 28 Nov 2026 12:56"
  const shown = new Date(iso).toUTCString().slice(0, 22);
  return `<time datetime="${escapeHtml(iso)}">${shown} UTC</time>`;
}
