// A run again with what is changed: first what would be taken over and what would run again, each with its reason, and
// then the fork itself, to which the page goes.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ForkChanges, ForkPlan, RunView } from "../../client/index.ts";
import { go, to } from "../lib/route.ts";
import { client } from "../lib/session.ts";
import { Card, Failure } from "../ui/parts.tsx";

/** What is to be run again: from a stage on, with another question, or what had not completed. */
export type ForkIntent = { kind: "from"; stage: string } | { kind: "edit" } | { kind: "failed" };

/** A plan is asked for when the question has not changed for this long. */
const PAUSE_MS = 250;
const MAX_QUESTION = 32_768;

interface PanelProps {
  runView: RunView;
  intent: ForkIntent;
  onClose: () => void;
}

export function ForkPanel({ runView, intent, onClose }: PanelProps) {
  const query = useSignal(runView.query);
  const replaces = useSignal(intent.kind === "edit");
  const plan = useSignal<ForkPlan | null>(null);
  const failure = useSignal<unknown>(null);
  const busy = useSignal(false);
  const form = useRef<HTMLFormElement>(null);
  const id = runView.execution_id;
  const changes = changesOf(intent, query.value.trim(), replaces.value);
  const asked = JSON.stringify(changes);
  const isEmpty = intent.kind === "edit" && query.value.trim() === "";

  useEffect(() => {
    form.current?.scrollIntoView({ block: "nearest" });
    form.current?.querySelector<HTMLElement>("textarea, input")?.focus();
  }, []);
  useEffect(() => {
    plan.value = null;
    failure.value = null;
    if (isEmpty) return undefined;
    const left = new AbortController();
    const read = async () => {
      plan.value = await client().planFork(id, changes, { signal: left.signal });
    };
    const timer = setTimeout(
      () =>
        void read().catch((cause: unknown) => {
          if (!left.signal.aborted) failure.value = cause;
        }),
      intent.kind === "edit" ? PAUSE_MS : 0,
    );
    return () => {
      clearTimeout(timer);
      left.abort();
    };
  }, [asked, isEmpty]);

  const start = async () => {
    if (busy.value || plan.value === null) return;
    busy.value = true;
    failure.value = null;
    try {
      const { execution_id } = await client().fork(id, changes, { respondAsync: true });
      go(to("run", execution_id));
    } catch (cause) {
      failure.value = cause;
    } finally {
      busy.value = false;
    }
  };

  return (
    <Card title={titleOf(intent)} id="fork-title">
      <form
        ref={form}
        class="fork"
        aria-labelledby="fork-title"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        {intent.kind === "edit" && (
          <textarea
            rows={2}
            maxLength={MAX_QUESTION}
            aria-label="Question of the new run"
            value={query.value}
            onInput={(event) => {
              query.value = event.currentTarget.value;
            }}
          />
        )}
        <label class="fork-choice">
          <input
            type="checkbox"
            checked={replaces.value}
            onChange={(event) => {
              replaces.value = event.currentTarget.checked;
            }}
          />
          <span>The new answer takes the place of this one in the conversation</span>
        </label>
        <div role="status">
          {plan.value === null && failure.value === null && !isEmpty && (
            <p class="quiet">Comparing with this run</p>
          )}
          {plan.value !== null && <Plan plan={plan.value} />}
        </div>
        {failure.value !== null && <Failure cause={failure.value} />}
        <div class="fork-verbs">
          <button type="submit" class="primary" disabled={busy.value || plan.value === null}>
            {busy.value ? "Starting" : "Start"}
          </button>
          <button type="button" onClick={onClose}>
            Close
          </button>
        </div>
      </form>
    </Card>
  );
}

function Plan({ plan: { reused, rerun } }: { plan: ForkPlan }) {
  return (
    <dl class="plan">
      <dt>Runs again</dt>
      <dd>
        {rerun.length === 0 ? (
          <span class="quiet">nothing: every result is taken over</span>
        ) : (
          <ul aria-label="Runs again">
            {rerun.map(({ stage, reason }) => (
              <li key={stage}>
                <span class="mono">{stage}</span> <span class="quiet">{reasonText(reason)}</span>
              </li>
            ))}
          </ul>
        )}
      </dd>
      <dt>Taken over</dt>
      <dd>
        {reused.length === 0 ? (
          <span class="quiet">nothing</span>
        ) : (
          <ul aria-label="Taken over">
            {reused.map((stage) => (
              <li key={stage} class="mono">
                {stage}
              </li>
            ))}
          </ul>
        )}
      </dd>
    </dl>
  );
}

function titleOf(intent: ForkIntent): string {
  if (intent.kind === "from") return `Run again from ${intent.stage}`;
  return intent.kind === "edit" ? "Edit and run" : "Retry what failed";
}

function changesOf(intent: ForkIntent, query: string, replace_turn: boolean): ForkChanges {
  if (intent.kind === "edit") return { query, replace_turn };
  return { from: intent.kind === "from" ? intent.stage : "failed", replace_turn };
}

/** The coordinator names what differs; a sentence of its own is shown as it is. */
function reasonText(reason: string): string {
  if (reason === "from") return "chosen";
  return / /.test(reason) && !reason.startsWith("input ") ? reason : `${reason} differs`;
}
