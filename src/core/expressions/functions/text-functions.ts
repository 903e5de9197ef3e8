// Functions of texts. Positions are UTF-16 units; `size` counts characters.
import { LIMITS } from "../../../contract/limits.ts";
import type { Definition } from "./definition.ts";
import { CHARS, type Meter } from "../evaluate/meter.ts";
import { characters, findLast, isNative, searcher } from "./text.ts";
import { Fault, type Value } from "../values/values.ts";

/** Steps for each part of a split text. */
const PIECE_STEPS = 4;

const methods: readonly Definition[] = [
  [
    "contains",
    ["string", "string"],
    "bool",
    ([text, part], meter) => find(text as string, part as string, 0, meter) !== -1,
  ],
  ["startsWith", ["string", "string"], "bool", ([text, part], meter) => starts(text, part, meter)],
  ["endsWith", ["string", "string"], "bool", ([text, part], meter) => ends(text, part, meter)],
  ["lowerAscii", ["string"], "string", ([text], meter) => recased(text as string, meter, "lower")],
  ["upperAscii", ["string"], "string", ([text], meter) => recased(text as string, meter, "upper")],
  ["trim", ["string"], "string", ([text], meter) => trimmed(text as string, meter)],
  [
    "indexOf",
    ["string", "string"],
    "int",
    ([text, part], meter) => BigInt(find(text as string, part as string, 0, meter)),
  ],
  ["indexOf", ["string", "string", "int"], "int", (args, meter) => indexFrom(args, meter)],
  [
    "lastIndexOf",
    ["string", "string"],
    "int",
    ([text, part], meter) => BigInt(last(text as string, part as string, meter)),
  ],
  ["lastIndexOf", ["string", "string", "int"], "int", (args, meter) => lastIndexFrom(args, meter)],
  ["substring", ["string", "int"], "string", (args, meter) => substring(args, meter)],
  ["substring", ["string", "int", "int"], "string", (args, meter) => substring(args, meter)],
  [
    "split",
    ["string", "string"],
    "list",
    ([text, by], meter) => split(text as string, by as string, -1, meter),
  ],
  [
    "split",
    ["string", "string", "int"],
    "list",
    ([text, by, limit], meter) => split(text as string, by as string, Number(limit), meter),
  ],
];

const sizes: readonly Definition[] = [
  ["size", ["string"], "int", ([text], meter) => BigInt(counted(text as string, meter))],
];

export const TEXT_FUNCTIONS = { methods, sizes };

function counted(text: string, meter: Meter): number {
  meter.chars(text.length, CHARS.SCANNED);
  return characters(text);
}

function find(text: string, part: string, from: number, meter: Meter): number {
  chargeSearch(text.length - from, part, meter);
  return searcher(part)(text, from);
}

function last(text: string, part: string, meter: Meter): number {
  if (part.length > text.length) return -1;
  meter.chars(text.length + part.length, CHARS.MATCHED);
  return findLast(text, part);
}

function chargeSearch(length: number, part: string, meter: Meter): void {
  meter.chars(length + part.length, isNative(part) ? CHARS.SCANNED : CHARS.MATCHED);
}

function starts(text: Value | undefined, part: Value | undefined, meter: Meter): boolean {
  meter.chars((part as string).length, CHARS.COPIED);
  return (text as string).startsWith(part as string);
}

function ends(text: Value | undefined, part: Value | undefined, meter: Meter): boolean {
  meter.chars((part as string).length, CHARS.COPIED);
  return (text as string).endsWith(part as string);
}

function recased(text: string, meter: Meter, to: "lower" | "upper"): string {
  meter.makeText(text.length);
  meter.chars(text.length, CHARS.CONVERTED);
  const recased = to === "lower" ? text.toLowerCase() : text.toUpperCase();
  // One letter may become up to three.
  meter.makeText(recased.length);
  return recased;
}

function trimmed(text: string, meter: Meter): string {
  meter.chars(text.length, CHARS.SCANNED);
  return text.trim();
}

function indexFrom(args: readonly Value[], meter: Meter): bigint | Fault {
  const [text, part, from] = args as [string, string, bigint];
  if (part === "") return from;
  if (from < 0n || from >= BigInt(text.length)) return outOfRange("indexOf");
  return BigInt(find(text, part, Number(from), meter));
}

function lastIndexFrom(args: readonly Value[], meter: Meter): bigint | Fault {
  const [text, part, from] = args as [string, string, bigint];
  if (part === "") return from;
  if (from < 0n || from >= BigInt(text.length)) return outOfRange("lastIndexOf");
  meter.chars(text.length, CHARS.COPIED);
  return BigInt(last(text.slice(0, Number(from) + part.length), part, meter));
}

function substring(args: readonly Value[], meter: Meter): string | Fault {
  const [text, from, to = BigInt(text.length)] = args as [string, bigint, bigint?];
  if (from < 0n || to < from || to > BigInt(text.length)) return outOfRange("substring");
  meter.makeText(Number(to - from));
  return text.slice(Number(from), Number(to));
}

function outOfRange(name: string): Fault {
  return new Fault(`${name}() of a position outside the text`);
}

/** @param limit maximum number of parts, of which the last is the rest; negative for no limit */
function split(text: string, by: string, limit: number, meter: Meter): Value | Fault {
  if (limit === 0) return [];
  chargeSearch(text.length, by, meter);
  const find = searcher(by);
  const pieces: string[] = [];
  let from = 0;
  while (pieces.length + 1 !== limit) {
    const at = by === "" ? nextUnit(text, from) : find(text, from);
    if (at === -1) break;
    meter.spend(PIECE_STEPS);
    pieces.push(text.slice(from, at));
    if (pieces.length > LIMITS.EXPRESSION_ITEMS) meter.makeList(pieces.length);
    from = at + by.length;
  }
  if (by !== "" || from < text.length) pieces.push(text.slice(from));
  meter.makeList(pieces.length);
  return pieces;
}

/** With an empty separator each UTF-16 unit is a part. */
function nextUnit(text: string, from: number): number {
  return from + 1 < text.length ? from + 1 : -1;
}
