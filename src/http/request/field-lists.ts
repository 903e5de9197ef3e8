// Lists in header fields (RFC 9110, sections 5.6.1 and 5.6.4): their elements and parameters, of which a quoted string
// may hold the separator itself.

/** The trimmed, non-empty parts of a field's value. A quote that nothing closes reaches to the end. */
export function splitField(value: string, separator: "," | ";"): string[] {
  const parts = value.match(separator === "," ? ELEMENTS : PARAMETERS) ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

const ELEMENTS = /(?:"(?:\\.|[^"\\])*"?|[^",])+/g;
const PARAMETERS = /(?:"(?:\\.|[^"\\])*"?|[^";])+/g;

/** The value of a token or a quoted string; null if it is neither. Nothing says nothing: `a=` is as `a`. */
export function readWord(text: string): string | null {
  if (text === "" || TOKEN.test(text)) return text;
  const quoted = /^"((?:\\.|[^"\\])*)"$/.exec(text)?.[1];
  return quoted === undefined ? null : quoted.replaceAll(/\\(.)/g, "$1");
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
