// The text of an AG-UI run: of the assistant's messages in their order, streamed as it comes, and cut where a snapshot
// takes some of it back.
import { isHighSurrogate } from "../../../../contract/text.ts";
import type { AnswerHooks } from "../../protocol.ts";

/** Between the texts of two messages. */
const BREAK = "\n\n";

export interface RunMessages {
  /** Appends to a message, which begins with its first piece. */
  append(id: string, piece: string): void;
  /** These and no others are the messages now. */
  replace(messages: readonly (readonly [id: string, text: string])[]): void;
  /** The text of all of them. */
  text(): string;
}

export function runMessages(hooks: Pick<AnswerHooks, "delta">): RunMessages {
  let texts = new Map<string, string>();
  /** The message that `said` ends with. */
  let last: string | null = null;
  let said = "";

  const text = () => [...texts.values()].filter((one) => one !== "").join(BREAK);
  /** Streams the difference between what was said and what is true. */
  const sync = () => {
    const now = text();
    if (now === said) return;
    const kept = commonLength(said, now);
    if (kept === said.length) hooks.delta(now.slice(kept));
    else hooks.delta(now.slice(kept), kept);
    said = now;
  };
  return {
    append(id, piece) {
      if (piece === "") return;
      const before = texts.get(id) ?? "";
      texts.set(id, before + piece);
      if (id === last && before !== "") {
        said += piece;
        hooks.delta(piece);
        return;
      }
      sync();
      last = [...texts.keys()].at(-1) ?? null;
    },
    replace(messages) {
      texts = new Map(messages);
      sync();
      last = [...texts.keys()].at(-1) ?? null;
    },
    text,
  };
}

/** Units that two texts have in common from their start, in whole characters. */
function commonLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a.charCodeAt(length) === b.charCodeAt(length)) length += 1;
  return length > 0 && isHighSurrogate(a.charCodeAt(length - 1)) ? length - 1 : length;
}
