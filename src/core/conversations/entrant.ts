// How a run enters its conversation, as its config has it.
import type { CoordinatorConfig, OnBusy } from "../../contract/config.ts";

export interface ConversationEntrant {
  on_busy: Exclude<OnBusy, "parallel">;
  /** Its deadline after its start, and how long it may wait for that, in ms. */
  run_ms: number;
  queue_ms: number;
}

export function entrantOf(
  on_busy: ConversationEntrant["on_busy"],
  config: Pick<CoordinatorConfig, "pipeline_timeout_seconds" | "max_pause_seconds">,
): ConversationEntrant {
  const run_ms = config.pipeline_timeout_seconds * 1_000;
  return { on_busy, run_ms, queue_ms: config.max_pause_seconds * 1_000 };
}
