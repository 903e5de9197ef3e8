// What can be done again with the run as a whole; from one stage on is a button at that stage.
import type { RunView } from "../../client/index.ts";
import type { ForkIntent } from "./fork-panel.tsx";

export function ForkButtons({ runView, onFork }: { runView: RunView; onFork: (intent: ForkIntent) => void }) {
  if (runView.status === "queued") return null;
  const hasFailed = runView.status === "failed" || runView.status === "cancelled";
  return (
    <div class="controls" role="group" aria-label="Run it again">
      {hasFailed && (
        <button
          type="button"
          title="Runs the stages that have not completed, and takes over the others"
          onClick={() => onFork({ kind: "failed" })}
        >
          Retry failed
        </button>
      )}
      <button type="button" onClick={() => onFork({ kind: "edit" })}>
        Edit and run
      </button>
    </div>
  );
}
