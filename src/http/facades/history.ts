// A client's own list of messages, as a question and the turns before it: the last message of the user is the question, and
// of those before it each that has an answer is a turn.
import type { ConversationTurn } from "../../contract/execution.ts";
import { err, type InputError, ok, type Result } from "../../contract/problem.ts";
import * as z from "../../contract/zod.ts";

/** What a message says: a text, or parts, some of which have one. */
export const Content = z.union([
  z.string(),
  z.array(z.looseObject({ type: z.string(), text: z.optional(z.string()) })),
]);

/** The texts of a content; "" for any other value. */
export function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  return Array.isArray(content)
    ? content.flatMap(({ text }: { text?: string }) => text ?? []).join("\n")
    : "";
}

export interface Said {
  role: string;
  text: string;
}

export interface Asked {
  query: string;
  /** The question's index. */
  at: number;
  history: ConversationTurn[];
}

/**
 * @param place of the list, as a JSON pointer
 * @param textPlace of a message's text, by its index
 */
export function askedIn(
  messages: readonly Said[],
  place: string,
  textPlace = (at: number) => `${place}/${at}/content`,
): Result<Asked, InputError> {
  const at = messages.findLastIndex(({ role }) => role === "user");
  const query = messages[at]?.text;
  if (query === undefined) return err({ pointer: place, detail: "must hold a message of the role user" });
  if (query.trim() === "") return err({ pointer: textPlace(at), detail: "must hold text" });
  return ok({ query, at, history: turnsOf(messages.slice(0, at)) });
}

/** The questions that have an answer, with it. */
function turnsOf(messages: readonly Said[]): ConversationTurn[] {
  const turns: ConversationTurn[] = [];
  let query: string | null = null;
  for (const { role, text } of messages) {
    if (role === "user") query = text;
    else if (role === "assistant" && query !== null && text !== "") {
      turns.push({ query, answer: { answer: text } });
      query = null;
    }
  }
  return turns;
}
