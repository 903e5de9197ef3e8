// What an agent streams before its answer, and the events that it becomes.
import type { AgentAnswer, AgentProgress } from "../contract/agent.ts";

/**
 * What a generator may yield: text of the answer (as such or as `{text}`; with `offset` the text so far is
 * cut there first, in UTF-16 units), a note of progress, whose `fraction` is from 0 to 1, or what the call has used so
 * far: all of it, not what was added. The `usage` of the answer replaces that; without one the last that was yielded
 * counts, also where the call fails.
 *
 * @example
 * async function* write(): AsyncGenerator<AgentPiece> {
 *   yield { message: "reading the sources", fraction: 0.2 };
 *   yield "A heat pump ";
 *   yield { text: "moves heat." };
 *   yield { usage: { model: "small", input_tokens: 812, output_tokens: 7 } };
 * }
 */
export type AgentPiece =
  | string
  | { text: string; offset?: number }
  | AgentProgress
  | { usage: NonNullable<AgentAnswer["usage"]> };

const encoder = new TextEncoder();

/** The event of a piece. */
export function pieceEvent(piece: AgentPiece): Uint8Array {
  if (typeof piece === "string") return sse("delta", JSON.stringify({ text: piece }));
  if ("usage" in piece) return sse("usage", JSON.stringify(piece.usage));
  return sse("text" in piece ? "delta" : "progress", JSON.stringify(piece));
}

/** An event of a stream. */
export function sse(event: string, data: string): Uint8Array {
  return encoder.encode(`event: ${event}\ndata: ${data}\n\n`);
}
