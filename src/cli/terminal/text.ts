// Text for a terminal: durations in words, lines no wider than they may be, and nothing in them that a terminal
// would obey. Every line is meant to fill one row.
import { stripVTControlCharacters } from "node:util";
import { cutText } from "../../contract/text.ts";

export function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

/** Escape sequences and control characters removed; line feeds stay. */
export function harmless(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for.
  return stripVTControlCharacters(text).replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, " ");
}

/** One line, cut with an ellipsis. */
export function clip(text: string, width: number): string {
  const line = harmless(text).replaceAll("\n", " ");
  return line.length <= width ? line : `${cutText(line, width - 1)}…`;
}

/** Lines broken between words, a word longer than a line too; a line that fits stays as it is, indented code with it. */
export function wrap(text: string, width: number): string[] {
  return harmless(text)
    .split("\n")
    .flatMap((paragraph) => {
      if (paragraph.length <= width) return [paragraph];
      const lines = [""];
      for (const word of paragraph.split(/ +/).flatMap((long) => pieces(long, width))) {
        const line = lines.at(-1) ?? "";
        if (line === "") lines[lines.length - 1] = word;
        else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
        else lines.push(word);
      }
      return lines;
    });
}

function pieces(word: string, width: number): string[] {
  const cut: string[] = [];
  for (let rest = word; rest !== ""; ) {
    // A character wider than the line is written whole.
    const piece = cutText(rest, width) || String.fromCodePoint(rest.codePointAt(0) ?? 0);
    cut.push(piece);
    rest = rest.slice(piece.length);
  }
  return cut;
}
