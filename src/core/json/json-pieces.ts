// JSON text in pieces, so that the text of a value of several megabytes is never one string. The joined pieces are what
// JSON.stringify gives: readers of the whole and readers of the stream get the same bytes.

/**
 * The pieces of a value's JSON.
 * @param depth levels of objects that are cut at their keys; what lies deeper is one piece
 */
export function* jsonPieces(value: unknown, depth: number): Generator<string> {
  if (depth === 0 || value === null || typeof value !== "object" || Array.isArray(value)) {
    yield JSON.stringify(value);
    return;
  }
  let separator = "{";
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) continue;
    yield `${separator}${JSON.stringify(key)}:`;
    yield* jsonPieces(field, depth - 1);
    separator = ",";
  }
  yield separator === "{" ? "{}" : "}";
}
