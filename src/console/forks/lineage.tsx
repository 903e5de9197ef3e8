// Where a run comes from and what became of it: the run that it is a fork of, its place in its conversation's queue, and
// the question that has superseded it.
import type { RunView } from "../../client/index.ts";
import { to } from "../lib/route.ts";

export function Lineage({ runView }: { runView: RunView }) {
  const { execution_id, forked_from, queue, superseded_by } = runView;
  if (forked_from === null && queue === null && superseded_by === null) return null;
  return (
    <p class="run-meta lineage">
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
