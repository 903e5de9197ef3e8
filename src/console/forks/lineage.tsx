// Where a run comes from and what became of it: the run whose stage it is, the run that it is a fork of, its own forks, its place in its
// conversation's queue, and the question that has superseded it.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Execution, RunView } from "../../client/index.ts";
import { to } from "../lib/route.ts";
import { client } from "../lib/session.ts";

/** Of its conversation's executions, the newest among which its forks are looked for. */
const LISTED = 100;

export function Lineage({ runView, parent }: { runView: RunView; parent: Execution["parent"] }) {
  const { execution_id, forked_from, queue, superseded_by, execution } = runView;
  const forks = useSignal<readonly string[]>([]);
  const conversation_id = execution?.conversation_id;
  useEffect(() => {
    forks.value = [];
    if (conversation_id === undefined) return;
    const left = new AbortController();
    client()
      .listExecutions({ conversation_id, limit: LISTED }, { signal: left.signal })
      .then(
        ({ data }) => {
          const own = data.filter(({ forked_from: from }) => from?.execution_id === execution_id);
          forks.value = own.map((fork) => fork.execution_id);
        },
        // The rest of the page says so where the coordinator is not there.
        () => {},
      );
    return () => left.abort();
  }, [execution_id, conversation_id]);
  const isAlone = forked_from === null && forks.value.length === 0;
  if (isAlone && queue === null && superseded_by === null && parent === undefined) return null;
  return (
    <p class="run-meta lineage">
      {parent !== undefined && (
        <span>
          Run by the stage {parent.stage} of <RunLink id={parent.execution_id} />
        </span>
      )}
      {queue !== null && (
        <span>
          Queued at place {queue.position}, after <RunLink id={queue.behind} />
        </span>
      )}
      {forked_from !== null && (
        <span>
          Forked from <RunLink id={forked_from.execution_id} />
        </span>
      )}
      {forked_from !== null && (
        <a href={to("compare", forked_from.execution_id, execution_id)}>Compare side by side</a>
      )}
      {forks.value.length > 0 && (
        <span>
          Forks{" "}
          {forks.value.map((id) => (
            <span key={id}>
              <RunLink id={id} />{" "}
            </span>
          ))}
        </span>
      )}
      {superseded_by !== null && (
        <span>
          Superseded by <RunLink id={superseded_by} />
        </span>
      )}
    </p>
  );
}

export function RunLink({ id }: { id: string }) {
  return (
    <a class="mono" href={to("run", id)}>
      {id}
    </a>
  );
}
