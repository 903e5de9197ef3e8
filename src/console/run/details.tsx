// The details of a run: each stage's result, every event that was logged, and the execution as the API answers it.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { errorWords } from "../lib/errors.ts";
import { duration, moment, plural } from "../lib/format.ts";
import { go, to } from "../lib/route.ts";
import { JsonTree } from "../ui/json-tree.tsx";
import { lazyPage } from "../ui/lazy-page.tsx";
import { Status } from "../ui/parts.tsx";
import { RunLink } from "../forks/lineage.tsx";
import type { LoggedEvent, RunView, StageView } from "../../client/index.ts";

const Items = lazyPage(async () => (await import("./items.tsx")).Items);

const TABS = [
  ["results", "Results"],
  ["events", "Events"],
  ["execution", "Execution"],
] as const;

interface DetailsProps {
  runView: RunView;
  tab: string;
  selected: string | null;
  onSelect: (stage: string) => void;
  onRunFrom: (stage: string) => void;
}

export function Details({ runView, tab, selected, onSelect, onRunFrom }: DetailsProps) {
  const place = Math.max(
    0,
    TABS.findIndex(([name]) => name === tab),
  );
  const [shown] = TABS[place] ?? TABS[0];
  const choose = (at: number) => {
    const [name] = TABS[(at + TABS.length) % TABS.length] ?? TABS[0];
    go(to("run", runView.execution_id, name));
    document.getElementById(`tab-${name}`)?.focus();
  };
  return (
    <section class="card details" aria-label="Details">
      <div class="tabs" role="tablist" aria-label="Details">
        {TABS.map(([name, title], at) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`tab-${name}`}
            aria-selected={name === shown}
            aria-controls="details-panel"
            tabIndex={name === shown ? 0 : -1}
            onClick={() => choose(at)}
            onKeyDown={(event) => {
              if (event.key === "ArrowRight") choose(at + 1);
              if (event.key === "ArrowLeft") choose(at - 1);
            }}
          >
            {title}
            {name === "events" && <span class="count">{runView.events.length}</span>}
          </button>
        ))}
      </div>
      <div id="details-panel" role="tabpanel" aria-labelledby={`tab-${shown}`}>
        {shown === "results" && (
          <Results runView={runView} selected={selected} onSelect={onSelect} onRunFrom={onRunFrom} />
        )}
        {shown === "events" && <Events events={runView.events} from={runView.started_at} />}
        {shown === "execution" &&
          (runView.execution === null ? (
            <p class="quiet">It is shown here when the run has ended.</p>
          ) : (
            <JsonTree value={runView.execution} />
          ))}
      </div>
    </section>
  );
}

function Results({ runView, selected, onSelect, onRunFrom }: Omit<DetailsProps, "tab">) {
  return (
    <ul class="results">
      {runView.stages.map((stage) => (
        <Result
          key={stage.name}
          runView={runView}
          stage={stage}
          open={stage.name === selected}
          onSelect={onSelect}
          {...(runView.status === "queued" ? {} : { onRunFrom })}
        />
      ))}
    </ul>
  );
}

function Result({
  runView,
  stage,
  open,
  onSelect,
  onRunFrom,
}: {
  runView: RunView;
  stage: StageView;
  open: boolean;
  onSelect: (name: string) => void;
  onRunFrom?: (name: string) => void;
}) {
  const { name, definition, status, result } = stage;
  const entry = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (open) entry.current?.scrollIntoView({ block: "nearest" });
  }, [open]);
  return (
    <li ref={entry}>
      <button type="button" class="result-head" aria-expanded={open} onClick={() => onSelect(name)}>
        <span class="chevron" aria-hidden="true" />
        <span class="result-name">{name}</span>
        <Status status={status} />
        <span class="quiet tabular">{result?.duration_ms == null ? "" : duration(result.duration_ms)}</span>
      </button>
      {open && (
        <div class="result-body">
          <p class="quiet">
            {definition.pipeline !== undefined
              ? `runs the pipeline ${definition.pipeline}`
              : definition.agent_type === undefined
                ? "waits for an answer from outside"
                : `agent ${definition.agent_type}`}
            {stage.child_execution_id !== null && (
              <>
                {" "}
                as <RunLink id={stage.child_execution_id} />
              </>
            )}
            {stage.iteration !== null && `, ${plural(stage.iteration, "iteration")}`}
            {stage.items !== null && `, ${plural(stage.items.total, "item")}`}
            {stage.items === null && stage.attempt > 0 && `, ${plural(stage.attempt, "try", "tries")}`}
            {result?.cached === true && ", from the cache"}
            {result?.answered_by != null && `, answered by ${result.answered_by}`}
            {stage.fallback !== null && `, by fallback ${stage.fallback}`}
            {result?.reused_from != null && (
              <>
                , taken over from <RunLink id={result.reused_from.execution_id} />
              </>
            )}
          </p>
          {onRunFrom !== undefined && (
            <button type="button" class="result-again" onClick={() => onRunFrom(name)}>
              Run again from here
            </button>
          )}
          {result?.error != null && (
            <p class="bad">
              {errorWords(result.error.code).title}. <span class="mono">{result.error.message}</span>
            </p>
          )}
          {result?.error?.url !== undefined && (
            <p class="quiet">
              It was called at <span class="mono">{result.error.url}</span>
              {result.error.status !== undefined && ` and answered ${result.error.status}`}.
            </p>
          )}
          {stage.wait !== null && (
            <p class="quiet">
              {WAITS[stage.wait.reason]} until {moment(new Date(stage.wait.expires_at).toISOString())}.
            </p>
          )}
          {stage.note !== null && result?.error == null && <p class="quiet">{stage.note.message}</p>}
          {definition.map !== undefined && (stage.items ?? result?.data) != null && (
            <Items runView={runView} stage={stage} />
          )}
          {result?.data != null && <JsonTree value={result.data} open={2} />}
          {result?.usage != null && <JsonTree name="usage" value={result.usage} open={0} />}
          {result === null && stage.text !== "" && <pre class="partial">{stage.text}</pre>}
        </div>
      )}
    </li>
  );
}

const WAITS = {
  wait: "Its question is open",
  callback: "Its agent has answered 202",
  execution: "Its execution is paused or waits, at most",
} as const;

function Events({ events, from }: { events: readonly LoggedEvent[]; from: number }) {
  const opened = useSignal<ReadonlySet<number>>(new Set());
  const toggle = (seq: number) => {
    const next = new Set(opened.value);
    if (!next.delete(seq)) next.add(seq);
    opened.value = next;
  };
  return (
    <ol class="events">
      {events.map((event) => {
        const open = opened.value.has(event.seq);
        return (
          <li key={event.seq}>
            <button type="button" class="event-head" aria-expanded={open} onClick={() => toggle(event.seq)}>
              <span class="chevron" aria-hidden="true" />
              <span class="quiet tabular">{event.seq}</span>
              <span class="quiet tabular">+{duration(Date.parse(event.timestamp) - from)}</span>
              <span class="event-type">{event.type}</span>
              <span class="event-message">{event.message}</span>
            </button>
            {open && <JsonTree value={event.data} open={1} />}
          </li>
        );
      })}
    </ol>
  );
}
