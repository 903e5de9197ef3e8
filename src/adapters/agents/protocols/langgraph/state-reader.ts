// Reads the events of one streamed LangGraph run: the graph's state, and the text of its messages as it comes.
import { isObject, readJson, readMembers } from "../../../../core/json/json.ts";
import type { AnswerHooks } from "../../protocol.ts";
import { contentText, listOf, type Members, membersOf, parsed, statusOf, wordOf } from "../members.ts";

type GraphEnd =
  | { kind: "failed"; message: string | null; status: number | null }
  | { kind: "malformed"; detail: string };

export interface GraphReader {
  /** Takes one event; gives an end that is no answer. */
  take(event: string, data: string): GraphEnd | null;
  /** The last state; null where there was none. */
  readonly state: Members | null;
  /** What the graph asks a person, as the graph gives it. */
  readonly interrupts: readonly unknown[];
  /** The text that was streamed. */
  readonly text: string;
}

/** Between the texts of two messages. */
const BREAK = "\n\n";

/** @param answer_node whose messages are the answer; null for those of all nodes */
export function graphReader(answer_node: string | null, hooks: AnswerHooks): GraphReader {
  let state: Members | null = null;
  let interrupts: readonly unknown[] = [];
  let text = "";
  let last: string | null = null;
  let isThinking = false;
  const begun = new Set<string>();

  const message = (pair: readonly unknown[]) => {
    const { type, id, content, additional_kwargs } = membersOf(pair[0]);
    const { langgraph_node } = membersOf(pair[1]);
    if (answer_node !== null && langgraph_node !== answer_node) return;
    const isPiece = type === "AIMessageChunk";
    if (!isPiece && type !== "ai") return;
    const name = wordOf(id) ?? "";
    // A whole message comes again after its pieces.
    if (!isPiece && begun.has(name)) return;
    if (isReasoning(content, additional_kwargs)) {
      if (!isThinking) hooks.progress({ message: "thinking" });
      isThinking = true;
    }
    const piece = contentText(content);
    if (piece === "") return;
    isThinking = false;
    begun.add(name);
    const added = (text === "" || last === name ? "" : BREAK) + piece;
    last = name;
    text += added;
    hooks.delta(added);
  };

  return {
    get state() {
      return state;
    },
    get interrupts() {
      return interrupts;
    },
    get text() {
      return text;
    },
    take(event, data) {
      // Events of a subgraph have its name behind theirs: `messages|node:id`.
      const [name = "", ...inner] = event.split("|");
      if (name === "error") {
        const { message: words, error, status } = readMembers(data) ?? {};
        return { kind: "failed", message: wordOf(words) ?? wordOf(error), status: statusOf(status) };
      }
      if (name === "values" || name === "updates") {
        const read = readJson(data);
        if (!read.ok)
          return { kind: "malformed", detail: `${name}: ${read.error.pointer} ${read.error.detail}` };
        if (!isObject(read.value)) return { kind: "malformed", detail: `${name}: the state is no object` };
        const { __interrupt__: asked, ...values } = read.value;
        if (listOf(asked).length > 0) interrupts = listOf(asked);
        if (
          name === "values" &&
          inner.length === 0 &&
          (asked === undefined || Object.keys(values).length > 0)
        ) {
          state = values;
        }
        return null;
      }
      if (name === "messages") {
        const read = parsed(data);
        if (Array.isArray(read)) message(read);
        return null;
      }
      if (name === "custom") {
        const note = parsed(data);
        const words = wordOf(note) ?? wordOf(membersOf(note)["message"]);
        if (words !== null) hooks.progress({ message: words });
      }
      return null;
    },
  };
}

function isReasoning(content: unknown, additional: unknown): boolean {
  return (
    wordOf(membersOf(additional)["reasoning_content"]) !== null ||
    listOf(content).some((part) => /^(?:reasoning|thinking)$/.test(String(membersOf(part)["type"])))
  );
}
