// The terminal event carries the whole execution, so it repeats the result of each stage and the final result, which
// the log already has in the events that ended the stages. Owns which of them are repeated literally, how the event is
// stored without them, and how it is made whole again: with the bytes that readers were sent (I7).
import type { PipelineExecution } from "../../../contract/execution.ts";
import type { LogEvent, Repeats, TerminalEvent } from "../log-event.ts";
import type { ExecutionState } from "../state.ts";

/**
 * What a terminal event repeats; undefined where that is nothing.
 * @param data the terminal event's data
 * @param state the execution after the event
 */
export function repeatsOf(data: PipelineExecution, state: ExecutionState): Repeats | undefined {
  const repeated = state.stages.filter(
    // By identity: an equal value may have its keys in another order, and the bytes would differ.
    (stage) => stage.isEventData && data.stage_results[stage.result.stage] === stage.result,
  );
  if (repeated.length === 0) return undefined;
  const stages = Object.fromEntries(repeated.map(({ result, ended_seq }) => [result.stage, ended_seq]));
  const last = repeated.find(({ result }) => result.data !== null && result.data === data.final_result);
  return last === undefined ? { stages } : { stages, final: last.ended_seq };
}

/** The event as the log keeps it: null where it repeats another event. */
export function withoutRepeats(event: LogEvent): object {
  const repeats = repeatsIn(event);
  if (repeats === undefined || !isTerminalEvent(event)) return event;
  const { data } = event;
  const stage_results = Object.fromEntries(
    Object.entries(data.stage_results).map(([name, result]) => [
      name,
      Object.hasOwn(repeats.stages, name) ? null : result,
    ]),
  );
  const final_result = repeats.final === undefined ? data.final_result : null;
  return { ...event, data: { ...data, stage_results, final_result } };
}

/** What an event repeats of others. */
export function repeatsIn(event: LogEvent): Repeats | undefined {
  return isTerminalEvent(event) ? event.internal?.repeats : undefined;
}

/**
 * The event as readers were sent it.
 * @param find an event of the same log by its `seq`
 * @throws RangeError where the log lacks an event that it repeats
 */
export function withRepeats(event: LogEvent, find: (seq: number) => LogEvent | undefined): LogEvent {
  const repeats = repeatsIn(event);
  if (repeats === undefined || !isTerminalEvent(event)) return event;
  const resultIn = (seq: number) => {
    const found = find(seq);
    if (found?.type === "stage.completed" || found?.type === "stage.failed") return found.data;
    throw new RangeError(`event ${event.seq} repeats event ${seq}, which is not the end of a stage`);
  };
  const stage_results = Object.fromEntries(
    Object.entries(event.data.stage_results).map(([name, result]) => {
      const seq = Object.hasOwn(repeats.stages, name) ? repeats.stages[name] : undefined;
      return [name, seq === undefined ? result : resultIn(seq)];
    }),
  );
  const final_result = repeats.final === undefined ? event.data.final_result : resultIn(repeats.final).data;
  const data = { ...event.data, stage_results, final_result };
  // One member of the union at a time has its own data's type; all three have the same.
  switch (event.type) {
    case "execution.completed":
      return { ...event, data };
    case "execution.failed":
      return { ...event, data };
    case "execution.cancelled":
      return { ...event, data };
  }
}

function isTerminalEvent(event: LogEvent): event is TerminalEvent {
  return (
    event.type === "execution.completed" ||
    event.type === "execution.failed" ||
    event.type === "execution.cancelled"
  );
}
