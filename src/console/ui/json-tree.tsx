// JSON that folds. Every value is shown as text: what an agent wrote is never markup here. A folded part is not
// drawn, so that a megabyte costs nothing until it is opened.
import { useState } from "preact/hooks";
import { cutText } from "../../contract/text.ts";

/** Of one list or object at a time. */
const SHOWN = 100;
const LONG_TEXT = 400;

interface TreeProps {
  value: unknown;
  name?: string;
  /** Number of levels that are open initially. */
  open?: number;
}

export function JsonTree({ value, name, open = 1 }: TreeProps) {
  const label = name === undefined ? null : <span class="json-key">{name}: </span>;
  if (typeof value === "object" && value !== null) {
    return <Branch value={value} label={name ?? ""} open={open} />;
  }
  if (typeof value === "string" && value.length > LONG_TEXT) return <LongText text={value} label={label} />;
  return (
    <div class="json-leaf">
      {label}
      <span class={`json-${value === null ? "null" : typeof value}`}>
        {JSON.stringify(value) ?? "undefined"}
      </span>
    </div>
  );
}

function Branch({ value, label, open }: { value: object; label: string; open: number }) {
  const [isOpen, setOpen] = useState(open > 0);
  const [shown, setShown] = useState(SHOWN);
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  const size = `${entries.length} ${isList ? (entries.length === 1 ? "item" : "items") : entries.length === 1 ? "field" : "fields"}`;
  if (entries.length === 0) {
    return (
      <div class="json-leaf">
        {label !== "" && <span class="json-key">{label}: </span>}
        <span class="json-null">{isList ? "[]" : "{}"}</span>
      </div>
    );
  }
  return (
    <div class="json-branch">
      <button type="button" class="json-fold" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <span class="chevron" aria-hidden="true" />
        {label !== "" && <span class="json-key">{label}</span>}
        <span class="json-size">{size}</span>
      </button>
      {isOpen && (
        <div class="json-inner">
          {entries.slice(0, shown).map(([key, each]) => (
            <JsonTree key={key} name={key} value={each} open={open - 1} />
          ))}
          {entries.length > shown && (
            <button type="button" class="link" onClick={() => setShown(shown + SHOWN)}>
              {entries.length - shown} more
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function LongText({ text, label }: { text: string; label: preact.ComponentChildren }) {
  const [whole, setWhole] = useState(false);
  return (
    <div class="json-leaf">
      {label}
      <span class="json-string">{JSON.stringify(whole ? text : `${cutText(text, LONG_TEXT)}…`)}</span>{" "}
      <button type="button" class="link" onClick={() => setWhole(!whole)}>
        {whole ? "less" : `all ${text.length.toLocaleString()} characters`}
      </button>
    </div>
  );
}
