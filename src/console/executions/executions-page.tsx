// The list of executions: newest first, updated automatically, with filters in the URL.
import { useEffect, useMemo } from "preact/hooks";
import { isRunOver } from "../../client/index.ts";
import { usageCostText } from "../../contract/cost.ts";
import type { ExecutionSummary } from "../../contract/execution-list.ts";
import { useNow } from "../lib/clock.ts";
import { errorWords } from "../lib/errors.ts";
import { duration, moment, seconds } from "../lib/format.ts";
import { refine, route, to } from "../lib/route.ts";
import { client } from "../lib/session.ts";
import { Empty, Failure, Status } from "../ui/parts.tsx";
import { createList, type StagePart } from "./list.ts";

const STATUSES = ["queued", "running", "waiting", "paused", "completed", "failed", "cancelled"] as const;

export function ExecutionsPage() {
  const { query } = route.value;
  const filter = {
    status: query.get("status") ?? "",
    pipeline: query.get("pipeline") ?? "",
    conversation_id: query.get("conversation") ?? "",
  };
  const current = client();
  const list = useMemo(() => createList(filter), [JSON.stringify(filter), current]);
  useEffect(() => list.stop, [list]);
  const rows = list.rows.value;
  const isFiltered = Object.values(filter).some((value) => value !== "");
  return (
    <>
      <div class="page-head">
        <h1>Executions</h1>
        <Filters {...filter} />
      </div>
      {list.failure.value !== null && <Failure cause={list.failure.value} />}
      {rows === null && list.failure.value === null && (
        <p class="quiet" role="status">
          Loading the executions
        </p>
      )}
      {rows?.length === 0 && <Nothing isFiltered={isFiltered} />}
      {rows !== null && rows.length > 0 && (
        <>
          <div class="rows-head" aria-hidden="true">
            <span>Question</span>
            <span>Status</span>
            <span>Stages</span>
            <span>Duration</span>
            <span>Cost</span>
            <span>Started</span>
          </div>
          <ul class="rows" aria-label="Executions">
            {rows.map((row) => (
              <Row
                key={row.execution_id}
                row={row}
                parts={list.parts.value.get(row.execution_id)?.parts ?? []}
              />
            ))}
          </ul>
          {list.cursor.value !== null && (
            <button type="button" class="more" onClick={() => void list.more()}>
              Show older executions
            </button>
          )}
        </>
      )}
    </>
  );
}

function Filters(filter: { status: string; pipeline: string; conversation_id: string }) {
  return (
    <div class="filters" role="search" aria-label="Filter executions">
      <label class="inline-field">
        <span>Status</span>
        <select value={filter.status} onChange={(event) => refine({ status: event.currentTarget.value })}>
          <option value="">any</option>
          {STATUSES.map((status) => (
            <option key={status}>{status}</option>
          ))}
        </select>
      </label>
      <label class="inline-field">
        <span>Pipeline</span>
        <input
          type="search"
          size={12}
          placeholder="any"
          value={filter.pipeline}
          onInput={(event) => refine({ pipeline: event.currentTarget.value.trim() })}
        />
      </label>
      <label class="inline-field">
        <span>Conversation</span>
        <input
          type="search"
          size={12}
          placeholder="any"
          value={filter.conversation_id}
          onInput={(event) => refine({ conversation: event.currentTarget.value.trim() })}
        />
      </label>
    </div>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="No matching executions">
        No execution matches these filters. <a href={to("executions")}>Show all executions</a>.
      </Empty>
    );
  }
  return (
    <Empty title="No executions yet">
      <a href={to("run")}>Ask a question</a>, or start one with <code>POST /v1/executions</code>: it appears
      here automatically.
    </Empty>
  );
}

function Row({ row, parts }: { row: ExecutionSummary; parts: readonly StagePart[] }) {
  const { execution_id, query, status, pipeline, start_time, duration_ms, error_info, usage } = row;
  const cost = usage === undefined ? "–" : usageCostText(usage);
  const live = !isRunOver(status);
  const now = useNow(live);
  return (
    <li>
      <a class="row" href={to("run", execution_id)}>
        <span class="row-question">
          <span class="row-query">{query}</span>
          <span class="row-note">
            {error_info === null
              ? pipeline
              : `${pipeline}: ${errorWords(error_info.code).title.toLowerCase()}`}
            {error_info?.failed_stage != null && ` in ${error_info.failed_stage}`}
          </span>
        </span>
        <Status status={status} />
        <StageBar parts={parts} />
        <span class="row-time">
          {live ? seconds(now - Date.parse(start_time)) : duration(duration_ms ?? 0)}
        </span>
        <span class={`row-cost${cost === "–" ? " is-unused" : ""}`}>
          <span class="sr-only">cost </span>
          {cost}
        </span>
        <time class="row-start" dateTime={start_time}>
          {moment(start_time)}
        </time>
      </a>
    </li>
  );
}

/** The stages in their order, as wide as they were long. */
function StageBar({ parts }: { parts: readonly StagePart[] }) {
  const total = parts.reduce((sum, { ms }) => sum + ms, 0);
  const least = Math.max(1, total * 0.06);
  const words = parts.map(({ name, status }) => `${name} ${status}`).join(", ");
  return (
    <span class="stage-bar" role="img" aria-label={parts.length === 0 ? "Stages" : words} title={words}>
      {parts.map(({ name, status, ms }) => (
        <i key={name} class={`is-${status}`} style={{ flexGrow: String(Math.max(least, ms)) }} />
      ))}
    </span>
  );
}
