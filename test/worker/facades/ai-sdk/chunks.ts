// The UI message stream as the tests read it: its chunks, and the text that a page shows of them.

export type Chunk = { type: string } & Record<string, unknown>;

/** Every chunk of a response's stream, which must end with [DONE]. */
export async function chunksOf(response: Response): Promise<Chunk[]> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return chunksIn(text);
}

export function chunksIn(text: string): Chunk[] {
  const data = text.split("\n\n").flatMap((message) => /^data: (.*)$/m.exec(message)?.[1] ?? []);
  if (data.pop() !== "[DONE]") throw new Error(`the stream has no end: ${text}`);
  return data.map((json) => JSON.parse(json) as Chunk);
}

/** The text of the parts that were not taken back. */
export function textIn(chunks: readonly Chunk[]): string {
  let parts = new Map<unknown, string>();
  for (const { type, id, delta, providerMetadata } of chunks) {
    if (type === "reset-step") parts = new Map();
    if (type === "text-start") parts.set(id, "");
    if (type === "text-delta") parts.set(id, `${parts.get(id) ?? ""}${String(delta)}`);
    if (type === "text-end" && providerMetadata !== undefined) parts.delete(id);
  }
  return [...parts.values()].join("");
}
