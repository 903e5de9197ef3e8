// The text that a reader of an HTML page would see: an agent's framework answers an error with a page, and what went
// wrong is in its text. One pass over the page, so that a hostile page costs no more than its length.

/** Elements whose content is not text of the page. */
const HIDDEN: ReadonlySet<string> = new Set(["script", "style", "template", "svg"]);

const NAMED: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
};

/** The page without tags, comments, scripts and styles, its character references decoded, its white space joined. */
export function htmlText(page: string): string {
  const pieces: string[] = [];
  // Of other letters the small one may be longer, and the positions would be those of another text.
  const lower = page.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
  for (let at = 0; at < page.length; ) {
    const open = nextTag(page, at);
    pieces.push(page.slice(at, open));
    if (open === page.length) break;
    pieces.push(" ");
    at = afterTag(page, lower, open);
  }
  return decoded(pieces.join("")).replaceAll(/\s+/g, " ").trim();
}

/** Where the next tag or comment begins; the page's length where there is none. `a < b` is text. */
function nextTag(page: string, from: number): number {
  for (let at = page.indexOf("<", from); at >= 0; at = page.indexOf("<", at + 1)) {
    if (/[a-z/!?]/i.test(page.charAt(at + 1))) return at;
  }
  return page.length;
}

/** Where the text goes on after what begins at `open`; what is never closed hides the rest, as in a browser. */
function afterTag(page: string, lower: string, open: number): number {
  if (page.startsWith("<!--", open)) return endOf(page, "-->", open + 4);
  const end = endOf(page, ">", open);
  const name = /^[a-z]+/.exec(lower.slice(open + 1, open + 12))?.[0] ?? "";
  if (!HIDDEN.has(name) || page.charAt(end - 2) === "/") return end;
  const close = lower.indexOf(`</${name}`, end);
  return close < 0 ? page.length : endOf(page, ">", close);
}

function endOf(page: string, mark: string, from: number): number {
  const at = page.indexOf(mark, from);
  return at < 0 ? page.length : at + mark.length;
}

function decoded(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,5}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return NAMED[String(name).toLowerCase()] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code > 0x10ffff ? whole : String.fromCodePoint(code).toWellFormed();
  });
}
