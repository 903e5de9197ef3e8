// The inbox: every open question, the one that expires first on top; each leads to its run, where it is answered.
import type { Wait } from "../../client/index.ts";
import { questionText } from "../../contract/question.ts";
import { useNow } from "../lib/clock.ts";
import { moment, remaining } from "../lib/format.ts";
import { to } from "../lib/route.ts";
import { Empty, Failure } from "../ui/parts.tsx";
import { inbox, inboxFailure, readMore } from "./inbox.ts";

/** Less than this is shown in the colour of what needs attention. */
const SOON_MS = 3_600_000;

export function WaitsPage() {
  const list = inbox.value;
  return (
    <>
      <div class="page-head">
        <h1>Inbox</h1>
      </div>
      {inboxFailure.value !== null && <Failure cause={inboxFailure.value} />}
      {list === null && inboxFailure.value === null && (
        <p class="quiet" role="status">
          Loading the open questions
        </p>
      )}
      {list?.rows.length === 0 && (
        <Empty title="No open questions">
          A run whose pipeline has a stage with <code>wait</code> asks here, and goes on when it is answered.
        </Empty>
      )}
      {list !== null && list.rows.length > 0 && (
        <>
          <div class="rows-head waits-head" aria-hidden="true">
            <span>Question</span>
            <span>Pipeline</span>
            <span>Stage</span>
            <span>Expires</span>
          </div>
          <ul class="rows" aria-label="Open questions">
            {list.rows.map((row) => (
              <Row key={`${row.execution_id} ${row.stage}`} row={row} />
            ))}
          </ul>
          {list.has_more && (
            <button type="button" class="more" onClick={readMore}>
              Show more questions
            </button>
          )}
        </>
      )}
    </>
  );
}

function Row({ row }: { row: Wait }) {
  const { execution_id, stage, pipeline, conversation_id, prompt, expires_at } = row;
  const left = Date.parse(expires_at) - useNow(true);
  const asked = questionText(prompt);
  return (
    <li>
      <a class="row wait-row" href={to("run", execution_id)}>
        <span class="row-question">
          <span class="row-query">{asked === "" ? `${stage} asks for an answer` : asked}</span>
          <span class="row-note">conversation {conversation_id}</span>
        </span>
        <span class="wait-pipeline">{pipeline}</span>
        <span class="wait-stage">{stage}</span>
        <time
          class={`row-time ${left < SOON_MS ? "is-soon" : ""}`}
          dateTime={expires_at}
          title={moment(expires_at)}
        >
          {left > 0 ? `in ${remaining(left)}` : "now"}
        </time>
      </a>
    </li>
  );
}
