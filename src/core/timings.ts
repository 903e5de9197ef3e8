// The engine's own timings and sizes, each with its unit in its name and its reason in its comment. Limits on input
// are in contract/limits.ts.

export const TIMINGS = {
  /** A batch without watchers may wait this long for the next one, so that fast stages share a commit. */
  GROUP_COMMIT_MS: 50,
  /** How long the end of an execution waits for the stage that follows it to have heard of it by itself. */
  CHILD_HEARD_MS: 2_000,
  /** A watched batch waits this long: its calls are sent before the commit, which would delay them. */
  WATCHED_COMMIT_MS: 1,
  /** Steps of conditions per batch, 2 to 6 ms: further conditions wait for a later batch. */
  CONDITION_STEPS: 100_000,
  /** Delay of that batch, so that one run's conditions leave the isolate to other runs half of the time. */
  CONDITION_GAP_MS: 20,
  /** A wait up to this long is slept in memory; a longer one leaves the object to its alarm. */
  SLEEP_MS: 10_000,
  /** Delay of a run's first alarm after its start: a shorter run ends before and pays for none. */
  ALARM_JOIN_MS: 900,
  /** The platform ends an alarm's handler after 15 minutes. */
  ALARM_HOLD_MS: 600_000,
  /** Time limit of the DELETE that cancels the work of an agent that answers later. */
  ABANDON_MS: 5_000,
  /** While a callback's body arrives, it counts as a sign of life this often. */
  CALLBACK_ALIVE_MS: 1_000,
  /** The longest delay between two tries. */
  RETRY_DELAY_MS: 30_000,
  /** From one retry of an agent to the next where its retry budget is spent: about three a second from each isolate. */
  RETRY_PLACE_MS: 300,
  /** A call that waits for a place at an agent keeps its position so long between two of its polls. */
  PLACE_POSITION_MS: 5_000,
  /** The longest poll of one that waits for a place: shorter than what ends idle connections. */
  PLACE_POLL_MS: 20_000,
  /** No request about places arrives later than this after it was sent. */
  PLACE_LATE_MS: 10_000,
  /** A place that was given back long before its end is written so soon. */
  PLACE_WRITE_MS: 1_000,
  /** A call that finds the queue of its agent full asks again after so long at least. */
  FULL_QUEUE_MS: 500,
  /** A call may end this much later than its try: its place at an agent with limits is its own for so long. */
  PLACE_GRACE_MS: 1_000,
  /** Delay before an alarm whose handler failed is repeated. */
  ALARM_RETRY_MS: 5_000,
  /** Interval of the alarm of a run whose log a later version wrote: until that version is deployed again. */
  FORMAT_RETRY_MS: 600_000,
  /** A refused report is repeated after a delay equal to its age, within this minimum and maximum. */
  REPORT_RETRY_MS: 5_000,
  REPORT_RETRY_MOST_MS: 3_600_000,
  /** Maximum random share by which that delay is stretched. */
  REPORT_RETRY_JITTER: 0.5,
  /** Time limit of the alarm's handler for a receiver's response: another object, which responds or fails at once. */
  REPORT_WAIT_MS: 30_000,
  /** Runs of one isolate that may resume at once after an outage; further ones resume one by one. */
  WAKING_AT_ONCE: 20,
  /** Interval between those: the time of a run's first commits and calls on a small machine. */
  WAKING_GAP_MS: 40,
  /** A run that is this late for its slot takes a new one at the end of the queue, at most so often. */
  WAKING_LATE_MS: 100,
  WAKING_ROUNDS: 2,
  /** A longer wait uses the alarm. A shorter one stays in memory, which is cheaper than a commit. */
  WAKING_HOLD_MS: 60_000,
  /** An alarm that has not fired this long after its slot never will. */
  WAKING_CLAIM_MS: 60_000,
  /** Memory of all runs together: an isolate has 128 MB, and input and output need the other half. */
  ISOLATE_BYTES: 64 * 1024 * 1024,
  /** The share of it for all large runs, and of each of both for one tenant's runs. */
  ISOLATE_SHARE: 0.75,
  /** A run that uses more is large. */
  ISOLATE_SMALL_BYTES: 1024 * 1024,
  /** A run's memory in addition to its data: its state, its timers, its object. */
  ISOLATE_RUN_BYTES: 16 * 1024,
  /** The platform takes an object without traffic out of memory after 70 to 140 s. */
  ISOLATE_REST_MS: 150_000,
  /** Delay before a run refused for lack of memory is retried, plus up to the same again at random. */
  ISOLATE_RETRY_MS: 5_000,
  /** Maximum consecutive recoveries without progress of any stage. */
  RECOVERIES_WITHOUT_PROGRESS: 5,
  /** Tries after an answer that violates the contract: such an agent rarely recovers by itself. */
  CONTRACT_RETRIES: 1,
  /** A record is stored in chunks; production refuses values of 2 MB. */
  RECORD_CHUNK_BYTES: 512 * 1024,
  /** Interval of the comment line that keeps a stream open and detects disconnected readers. */
  HEARTBEAT_MS: 15_000,
  HEARTBEAT_WATCHED_MS: 2_000,
  /** EventSource's delay before it reconnects. */
  RECONNECT_MS: 1_000,
  /** Its delay if it cannot be served now. */
  RECONNECT_LATER_MS: 5_000,
  /** Minimum interval between delta flushes, per reader: a flush costs the object and the Worker about half of it. */
  TEXT_GAP_MS: 0.4,
  /** The lower bound: a single text is sent at once, one of a thousand in a second together with others. */
  TEXT_GAP_LEAST_MS: 5,
  /** A reader's chunk is closed with the event that makes it this large; the rest waits in the log. */
  STREAM_CHUNK_BYTES: 64 * 1024,
  /** A longer text crosses from an object to its Worker as a stream: an RPC message of 32 MiB would be refused. */
  MESSAGE_CHARS: 1024 * 1024,
  /** Buffered texts of calls per slow reader: the oldest are dropped first, their results are still sent. */
  READER_TEXT_CHARS: 8 * 1024 * 1024,
  /** The Worker's buffer per reader, in addition to stream_buffer_size events. */
  READER_BUFFER_BYTES: 64 * 1024,
  /** A probe's report may come this much later than its call's timeout. */
  PROBE_GRACE_MS: 5_000,
  /** Refresh interval of the agents' health while a call runs that others follow. */
  HEALTH_REFRESH_MS: 1_400,
  /** Waits between the tries to reattach a broken stream; the last ones bridge a deploy. */
  REATTACH_MS: [0, 50, 100, 250, 500, 1_000, 2_000, 4_000, 8_000],
  /** Readers of a run that was at rest come back this far apart: about what one of them costs the object. */
  REST_WAKE_GAP_MS: 1,
  /** A socket that has been open so long shows that the object is well: tries to reattach are counted from 0 again. */
  REST_PROVEN_MS: 8_000,
  /** Grace period after the last watcher of an execution with `on_disconnect: cancel` has disconnected. */
  DISCONNECT_GRACE_MS: 5_000,
  /** A run is reported as running after this time: the index has its start in memory, and most runs end before. */
  OUTBOX_FIRST_MS: 5_000,
  /** The same for a run that an earlier instance started, whose start the index may have lost in the same crash. */
  OUTBOX_RECOVERED_MS: 500,
  /** The index lists a run whose start it knows so long without a report: that delay, and the time of a slow report. */
  START_NOTED_MS: 10_000,
  /** Interval at which a queued run asks for its place: so long is it delayed where a message was lost. */
  QUEUE_POLL_MS: 10_000,
  /** Time limit of that question. */
  QUEUE_WAIT_MS: 2_000,
  /** Time limit of an object that is asked whether it has a run: the request of a Worker waits for it. */
  PRESENCE_WAIT_MS: 300,
  /** Within it those that a question interrupts must have ended: below the time limit of its Worker. */
  INTERRUPT_WAIT_MS: 1_200,
  /** Until one of them that has not started yet is asked again. */
  INTERRUPT_GAP_MS: 20,
  /** A run that has a place, and no object so long after its request, was never started: its Worker has given up. */
  START_LOST_MS: 60_000,
  /** Reports to a busy shard of the index are gathered this long; each other report is written at once. */
  INDEX_BUFFER_MS: 50,
  /** A shard is busy with so many reports in a second: commits of a small disk would delay them. */
  INDEX_BUSY_REPORTS: 8,
  /** Intervals at which a shard deletes expired rows, at least and at most; they are not listed anyway. */
  INDEX_SWEEP_MS: 3_600_000,
  INDEX_SWEEP_MOST_MS: 43_200_000,
  /** The same where it has deleted as many as one go may: reports come in between. */
  INDEX_SWEEP_GAP_MS: 1_000,
  /** Interval at which a cache deletes entries older than a day that an earlier version has kept. */
  CACHE_SWEEP_MS: 3_600_000,
  /** A cache's table takes the results of so long a time, or of so many UTF-16 units, and is then dropped as a whole. */
  CACHE_TABLE_MS: 3 * 3_600_000,
  CACHE_TABLE_CHARS: 64 * 1024 * 1024,
  /** Of one shard: beyond it the oldest table is dropped. The platform refuses 10 GB. */
  CACHE_SHARD_BYTES: 2 * 1024 * 1024 * 1024,
  /** Requests a second, over so long a time, at which a shard of index or cache asks to be split: before 200. */
  SHARD_RATE: 150,
  SHARD_RATE_MS: 10_000,
  /** A shard's growth is measured over so long a time at least. */
  SHARD_GROWTH_MS: 3_600_000,
  /** Bytes at which a shard of the index asks for it, and those that it is to stay below: the platform refuses 10 GB. */
  INDEX_SPLIT_BYTES: 6_000_000_000,
  INDEX_SHARD_BYTES: 8_000_000_000,
  /** How long most of its rows are kept: the default of retention_seconds. */
  INDEX_KEPT_MS: 7 * 86_400_000,
  /** A shard of the cache asks before it drops results: see CACHE_SHARD_BYTES. */
  CACHE_SPLIT_BYTES: 1.5 * 1024 * 1024 * 1024,
  /** Shards of a tenant, at most: a list asks all of them, and a Worker may ask 1,000 objects in a request. */
  SHARDS_MOST: 256,
  /** A split takes effect so long after it was made: isolates hold their copy of the catalog for less. */
  SPLIT_AHEAD_MS: 5_000,
  /** After a split, runs that began before it have reported to their former shard, as running at least. */
  SPLIT_SETTLED_MS: 15_000,
  /** Time limit of a former shard that is asked for a conversation's turns, and of the shards that a catalog asks. */
  SHARD_WAIT_MS: 1_000,
  /** Time limit for a run that is asked to share its calls with another one that waits for its first. */
  SHARE_WAIT_MS: 100,
  /** Definitions that travel with a tenant's snapshot, as JSON: those of most tenants, in one hop of a few milliseconds. */
  CATALOG_INLINE_CHARS: 64 * 1024,
  /** A larger definition is read by its name: it would take the room of many. */
  CATALOG_INLINE_EACH_CHARS: 8 * 1024,
  /** Runs whose metrics are written together: an instance that comes after counts them again, in 3 ms. */
  METRICS_BATCH: 256,
  /** The same within a minute, so that a busy day has a batch a minute; counted again in 100 ms. */
  METRICS_BATCH_MOST: 10_000,
  /** Runs that began before this have their metrics written at once: they would not be found again. */
  METRICS_LOOKBACK_MS: 600_000,
  /** Metrics wait so long for their batch: half of the time that rows outlive their runs. */
  METRICS_UNWRITTEN_MS: 43_200_000,
  /** After its retention a run is replaced by another of its name: an alarm that is being delivered is not set any more. */
  RETENTION_GRACE_MS: 60_000,
  /** A run without storage is reported to the index so often, and listed twice as long after the last report. */
  MEMORY_LISTED_MS: 60_000,
  /** Retention after its end, for callers that read it once more. */
  MEMORY_KEPT_MS: 60_000,
  /** Interval of the probes of a call that others follow; without a proof within the lease they stop waiting. */
  LEAD_PROBE_MS: 400,
  LEAD_LEASE_MS: 800,
  /** A call that does not run any more may have sent its result a moment ago. */
  LEAD_SETTLE_MS: 100,
  /** An entry of a run that has not ended outlives its deadline by this: a crash may have delayed the run. */
  INDEX_GRACE_MS: 60_000,
  /** Runs of each shard by which opportunities and causes are judged. */
  SAMPLED_RUNS: 32,
  /** Window of ended executions by which alerts are evaluated. */
  ALERT_WINDOW_SECONDS: 300,
  /** What runs cost is summed over an hour, as the alert's name says. */
  ALERT_COST_MS: 3_600_000,
  /** Delay after a metrics change before alerts are evaluated; changes in between are evaluated with it. */
  ALERT_EVALUATE_MS: 1_000,
  /** Minimum interval between a shard's change notifications. */
  ALERT_NOTIFY_MS: 5_000,
  /** Lines of the operator's log are gathered this long, off the run's path. */
  LOG_WAIT_MS: 100,
  /** Refused calls (401, 403) leave one line of each reason in this time; the others are counted. */
  REFUSAL_LINE_MS: 1_000,
  /** Traces are gathered this long before they are exported. */
  SPANS_WAIT_MS: 1_000,
  /** Delays between tries to export a trace: doubled from the first to the second, then abandoned. */
  SPANS_RETRY_MS: 5_000,
  SPANS_RETRY_MOST_MS: 300_000,
  SPANS_TRIES: 10,
  /** One run's spans, as JSON: production refuses a row of 2 MB. Further spans are dropped. */
  SPANS_BYTES: 1024 * 1024,
  /** Of one POST to the collector, whose receivers take 4 MB and more. */
  SPANS_POST_BYTES: 2 * 1024 * 1024,
  /** Interval at which jobs without valid variables are retried: only a deploy changes variables. */
  DELIVERY_PAUSE_MS: 300_000,
  /** Interval at which a firing alert is evaluated, so that its end is noticed without traffic. */
  ALERT_REPEAT_MS: 30_000,
} as const;
