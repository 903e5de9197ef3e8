// A text field for JSON: colours and marks are in a layer under the text, which stays a plain textarea, so that
// everything that users and assistive tools expect of text fields works.
import type { RefObject } from "preact";
import { useMemo } from "preact/hooks";
import type { JsonText } from "./json-text.ts";
import type { Mark } from "./marks.ts";

interface EditorProps {
  field: RefObject<HTMLTextAreaElement | null>;
  text: string;
  read: JsonText;
  marks: readonly Mark[];
  onText: (text: string) => void;
  onPlace: (place: number) => void;
  onSave: () => void;
}

export function Editor({ field, text, read, marks, onText, onPlace, onSave }: EditorProps) {
  const wrong = useMemo(() => linesOf(text, marks), [text, marks]);
  const lines = useMemo(() => text.split("\n").length, [text]);
  return (
    <div class="editor">
      <div class="editor-lines" aria-hidden="true">
        {Array.from({ length: lines }, (_, at) => (
          <span key={at} class={wrong.has(at) ? "is-wrong" : ""}>
            {at + 1}
          </span>
        ))}
      </div>
      <div class="editor-text">
        <pre aria-hidden="true">
          {painted(text, read, marks)}
          {"\n"}
        </pre>
        <textarea
          ref={field}
          aria-label="Definition as JSON"
          aria-invalid={marks.length > 0}
          aria-describedby="definition-errors"
          wrap="off"
          spellcheck={false}
          autocapitalize="off"
          autocomplete="off"
          value={text}
          onInput={(event) => {
            onText(event.currentTarget.value);
            onPlace(event.currentTarget.selectionStart);
          }}
          onSelect={(event) => onPlace(event.currentTarget.selectionStart)}
          onKeyUp={(event) => onPlace(event.currentTarget.selectionStart)}
          onClick={(event) => onPlace(event.currentTarget.selectionStart)}
          onKeyDown={(event) => {
            if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
            event.preventDefault();
            onSave();
          }}
        />
      </div>
    </div>
  );
}

function linesOf(text: string, marks: readonly Mark[]): ReadonlySet<number> {
  return new Set(marks.map(({ from }) => text.slice(0, from).split("\n").length - 1));
}

function painted(text: string, { tokens }: JsonText, marks: readonly Mark[]) {
  let reached = 0;
  const pieces = tokens.flatMap(({ kind, from, to }) => {
    const isWrong = marks.some((mark) => mark.from < to && from < mark.to);
    const before = text.slice(reached, from);
    reached = to;
    const piece = (
      <span key={from} class={`code-${kind}${isWrong ? " is-wrong" : ""}`}>
        {text.slice(from, to)}
      </span>
    );
    return [before, piece];
  });
  return [...pieces, text.slice(reached)];
}
