// The answer as it is written, and what it cites. It is text: marks like [2] become links, everything else stays
// the characters that the agent sent.
import type { ComponentChildren } from "preact";
import { JsonTree } from "../ui/json-tree.tsx";
import { Card, Empty } from "../ui/parts.tsx";
import { isRunOver, type RunView } from "../../client/index.ts";

interface Citation {
  mark: string;
  reference: string;
  /** Only where it is a plain web address. */
  url: string | null;
}

interface Final {
  answer: string;
  citations: readonly Citation[];
}

export function Answer({ runView }: { runView: RunView }) {
  const final = readFinal(runView.execution?.final_result);
  const speaker = runView.stages.find((stage) => stage.name === runView.answer?.stage);
  const over = isRunOver(runView.status);
  const text = final?.answer ?? speaker?.text ?? "";
  const writing = !over && speaker?.status === "running";
  const result = runView.execution?.final_result;
  return (
    <Card title="Answer" id="answer-title">
      {text === "" ? (
        <NoText runView={runView} result={result} />
      ) : (
        <div class="answer" aria-live="polite" aria-busy={writing}>
          {paragraphs(text).map((paragraph, at, all) => (
            <p key={at}>
              {marked(paragraph, final?.citations ?? [])}
              {writing && at === all.length - 1 && <span class="caret" aria-hidden="true" />}
            </p>
          ))}
        </div>
      )}
      {final !== null && final.citations.length > 0 && (
        <ol class="citations" aria-label="Sources">
          {final.citations.map((citation, at) => (
            <li key={at} id={`source-${citation.mark}`} tabIndex={-1}>
              <span class="citation-mark">{citation.mark}</span>
              <span>
                {citation.url === null ? (
                  citation.reference
                ) : (
                  <a href={citation.url} rel="noreferrer noopener" target="_blank">
                    {citation.reference}
                  </a>
                )}
              </span>
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

function NoText({ runView, result }: { runView: RunView; result: unknown }) {
  if (runView.status === "completed" && result !== null) return <JsonTree value={result} open={2} />;
  if (runView.status === "failed")
    return <Empty title="No answer">The run failed before it produced an answer.</Empty>;
  if (runView.status === "cancelled")
    return <Empty title="No answer">The run was cancelled before it produced an answer.</Empty>;
  if (runView.status === "waiting")
    return <Empty title="Waiting">The run goes on when it is answered from outside.</Empty>;
  if (runView.status === "queued")
    return <Empty title="Queued">The run begins when the one before it in its conversation has ended.</Empty>;
  if (runView.status === "paused")
    return (
      <Empty title="Paused">
        {runView.budget === null ? "Resume the run to continue it." : "Its budget is spent."}
      </Empty>
    );
  return (
    <div class="answer-waits" aria-hidden="true">
      <i />
      <i />
      <i />
    </div>
  );
}

function paragraphs(text: string): string[] {
  return text.split(/\n{2,}/);
}

function marked(text: string, citations: readonly Citation[]): ComponentChildren[] {
  const known = new Set(citations.map(({ mark }) => mark));
  // A mark must not be alone at the beginning of a line.
  return text
    .replace(/ (?=\[\d{1,3}\])/g, "\u00a0")
    .split(/(\[\d{1,3}\])/)
    .map((part, at) => {
      const mark = /^\[(\d{1,3})\]$/.exec(part)?.[1];
      if (mark === undefined) return part;
      if (!known.has(mark)) return <sup key={at}>{part}</sup>;
      return (
        <sup key={at}>
          <a
            class="mark"
            href={location.hash}
            aria-label={`Source ${mark}`}
            onClick={(event) => showSource(event, mark)}
          >
            {part}
          </a>
        </sup>
      );
    });
}

function showSource(event: Event, mark: string): void {
  // A link and no button: a line does not break before it. It leads to a place on this page, not to another view.
  event.preventDefault();
  const entry = document.getElementById(`source-${mark}`);
  entry?.focus({ preventScroll: true });
  entry?.scrollIntoView({ block: "nearest" });
}

/** Agents may answer anything: every value of the shape of an answer with citations is read as one. */
function readFinal(value: unknown): Final | null {
  const data = value as { answer?: unknown; citations?: unknown } | null | undefined;
  if (typeof data?.answer !== "string") return null;
  const list: readonly unknown[] = Array.isArray(data.citations) ? data.citations : [];
  return { answer: data.answer, citations: list.map(readCitation) };
}

function readCitation(value: unknown, at: number): Citation {
  const data = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const index = data["index"] ?? data["id"];
  const reference = [data["reference"], data["title"], data["source"], data["url"], value].find(
    (each) => typeof each === "string" && each !== "",
  );
  return {
    mark: typeof index === "number" && Number.isInteger(index) ? String(index) : String(at + 1),
    reference: typeof reference === "string" ? reference : JSON.stringify(value),
    url: webAddress(data["url"]),
  };
}

/** What an agent calls a URL is followed only where it is one of the web: no script hides in it. */
function webAddress(value: unknown): string | null {
  if (typeof value !== "string") return null;
  const url = URL.parse(value);
  return url !== null && (url.protocol === "https:" || url.protocol === "http:") ? url.href : null;
}
