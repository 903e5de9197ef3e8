// Writes a run's lifecycle events to the operator's log once they are durable, where its config asks for it: a little
// later and together, so that a short run is over by then and pays nothing for it. Lines of events that an earlier
// instance wrote are not written again; what waits when the object dies is in the trace alone.
import type { ExecutionState } from "../../core/execution/state.ts";
import {
  eventFields,
  isLogged,
  levelOf,
  type LogLevel,
  logLine,
  mayHaveLines,
} from "../../core/monitoring/log-line.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver, Watcher } from "../run/driver.ts";
import type { LiveText } from "../run/live-text.ts";
import type { Clock } from "../ports.ts";

/** Takes a line. */
export type LogSink = (level: LogLevel, line: string) => void;

export class LogLines implements Watcher {
  // Lines are not awaited.
  readonly sees_batches = false;
  private readonly driver: ExecutionDriver;
  private readonly clock: Clock;
  private readonly sink: LogSink;
  private loggedSeq: number;
  private isDue = false;

  constructor(driver: ExecutionDriver, clock: Clock, sink: LogSink) {
    this.driver = driver;
    this.clock = clock;
    this.sink = sink;
    this.loggedSeq = driver.durableSeq;
  }

  /** At DEBUG, also when each call goes out. */
  callBegan({ stage, item, attempt, call }: LiveText): void {
    const { state } = this.driver;
    if (state === null || !this.isWanted(state, "DEBUG")) return;
    const { execution_id, tenant, pipeline } = state.spec;
    const of = item === undefined ? { stage } : { stage, item };
    const fields = { event: "call.began", tenant, execution_id, seq: call, pipeline, ...of, attempt };
    this.sink("DEBUG", logLine("DEBUG", this.clock.now(), fields));
  }

  wake(): void {
    const { state } = this.driver;
    // Nearly all runs leave no line: none of them pays for a timer.
    if (this.isDue || state === null || !mayHaveLines(state)) return;
    this.isDue = true;
    this.clock.after(TIMINGS.LOG_WAIT_MS, () => {
      this.isDue = false;
      void this.driver.confirm().then(() => {
        const { state, durableSeq } = this.driver;
        const after = this.loggedSeq;
        this.loggedSeq = durableSeq;
        if (state !== null) this.writeLines(state, after);
      });
    });
  }

  private isWanted({ spec }: ExecutionState, level: LogLevel): boolean {
    return spec.config.enable_detailed_logging && isLogged(level, spec.config.log_level);
  }

  private writeLines(state: ExecutionState, after: number): void {
    for (const event of this.driver.eventsAfter(after)) {
      const level = levelOf(event);
      if (!this.isWanted(state, level)) continue;
      this.sink(level, logLine(level, Date.parse(event.timestamp), eventFields(event, state.spec)));
    }
  }
}
