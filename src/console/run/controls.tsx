// Pause, resume, cancel. Their effect shows in the run's events, like everything else; this shows only refusals.
import { useSignal } from "@preact/signals";
import { client } from "../lib/session.ts";
import { Failure } from "../ui/parts.tsx";
import { isRunOver, type RunView } from "../../client/index.ts";

export function Controls({ runView }: { runView: RunView }) {
  const busy = useSignal(false);
  const failure = useSignal<unknown>(null);
  if (isRunOver(runView.status)) return null;
  const id = runView.execution_id;
  const verb = (act: () => Promise<unknown>) => () => {
    busy.value = true;
    failure.value = null;
    void act()
      .catch((cause: unknown) => {
        failure.value = cause;
      })
      .finally(() => {
        busy.value = false;
      });
  };
  return (
    <div class="controls" role="group" aria-label="Control the run">
      {runView.status === "paused" ? (
        runView.budget === null && (
          <button type="button" disabled={busy.value} onClick={verb(() => client().resumeExecution(id))}>
            Resume
          </button>
        )
      ) : runView.status === "queued" ? null : (
        <button
          type="button"
          disabled={busy.value}
          title="Running stages finish, no further stage starts"
          onClick={verb(() => client().pauseExecution(id))}
        >
          Pause
        </button>
      )}
      <button
        type="button"
        class="danger"
        disabled={busy.value}
        onClick={verb(() => client().cancelExecution(id))}
      >
        Cancel
      </button>
      {failure.value !== null && <Failure cause={failure.value} />}
    </div>
  );
}
