// The engine's own numbers, each with its unit in its name and its reason beside it. What bounds the outside
// is in contract/limits.ts.

export const PACE = {
  /** A batch without watchers may wait this long for the next one, so that fast stages share a commit. */
  GROUP_COMMIT_MS: 50,
  /** A turn that is watched waits this long: its calls go out before the commit that would hold them up. */
  WATCHED_COMMIT_MS: 1,
  /** A turn whose conditions have cost so many steps, 2 to 6 ms, leaves further ones to a later turn. */
  CONDITION_STEPS: 100_000,
  /** That comes after this, so that one run's conditions leave the isolate to its neighbours half of the time. */
  CONDITION_GAP_MS: 20,
  /** A wait up to this long is slept in memory; a longer one leaves the object to its alarm. */
  SLEEP_MS: 10_000,
  /** Delay of a run's first alarm after its start: a shorter run ends before and pays for none. */
  ALARM_JOIN_MS: 900,
  /** The platform ends an alarm's handler after 15 minutes. */
  ALARM_HOLD_MS: 600_000,
  /** The longest delay between two tries. */
  RETRY_DELAY_MS: 30_000,
  /** From one retry of an agent to the next where its retry budget is spent: about three a second from each isolate. */
  RETRY_PLACE_MS: 300,
  /** An alarm whose handling went wrong comes again after this. */
  ALARM_RETRY_MS: 5_000,
  /** A report that was refused is made again after as long as it is old, so much at least and at most. */
  REPORT_RETRY_MS: 5_000,
  REPORT_RETRY_MOST_MS: 3_600_000,
  /** The part of that wait by which chance stretches it at most. */
  REPORT_RETRY_JITTER: 0.5,
  /** The alarm's handler waits so long for a receiver's answer: another object's, which is there or fails at once. */
  REPORT_WAIT_MS: 30_000,
  /** Runs of one isolate that an outage's end may wake at once; further ones come one after another. */
  WAKING_AT_ONCE: 20,
  /** From one of those to the next: what a run's first commits and calls take of a small machine. */
  WAKING_GAP_MS: 40,
  /** A run that finds its turn this late takes a new one at the end of the queue, so often at most. */
  WAKING_LATE_MS: 100,
  WAKING_ROUNDS: 2,
  /** A turn that is further off is waited for by alarm: memory for so long costs more than a row. */
  WAKING_HOLD_MS: 2_000,
  /** An alarm that has not come so long after its turn never will. */
  WAKING_CLAIM_MS: 60_000,
  /** What runs may hold in memory together: an isolate has 128 MB, and what is read and sent needs the other half. */
  ISOLATE_BYTES: 64 * 1024 * 1024,
  /** The part of it that large runs have together, and of each of both that one tenant's have. */
  ISOLATE_SHARE: 0.75,
  /** A run that holds more is large. */
  ISOLATE_SMALL_BYTES: 1024 * 1024,
  /** What a run holds beside its data: its state, its timers, its object. */
  ISOLATE_RUN_BYTES: 16 * 1024,
  /** The platform takes an object without traffic out of memory after 70 to 140 s. */
  ISOLATE_REST_MS: 150_000,
  /** Delay before a run refused for lack of memory is retried, plus up to the same again at random. */
  ISOLATE_RETRY_MS: 5_000,
  /** Recoveries in a row that brought no stage any further. */
  FRUITLESS_RECOVERIES: 5,
  /** Tries after an answer that is not what the contract says: such an agent rarely mends itself. */
  CONTRACT_RETRIES: 1,
  /** A record is stored in chunks; production refuses values of 2 MB. */
  RECORD_CHUNK_BYTES: 512 * 1024,
  /** The comment line that keeps a stream open, and finds readers that have gone. */
  HEARTBEAT_MS: 15_000,
  HEARTBEAT_WATCHED_MS: 2_000,
  /** What EventSource waits before it reconnects. */
  RECONNECT_MS: 1_000,
  /** What it waits where it cannot be served now. */
  RECONNECT_LATER_MS: 5_000,
  /** Minimum interval between delta flushes, per reader: a flush costs the object and the Worker about half of it. */
  TEXT_GAP_MS: 0.4,
  /** At least so much: a single text goes out at once, one of a thousand in a second with its neighbours. */
  TEXT_GAP_LEAST_MS: 5,
  /** A reader's chunk is closed with the event that makes it this large; the rest waits in the log. */
  STREAM_CHUNK_BYTES: 64 * 1024,
  /** A longer text crosses from an object to its Worker as a stream: an RPC message of 32 MiB would be refused. */
  MESSAGE_CHARS: 1024 * 1024,
  /** Texts of calls that a slow reader has not passed on yet: the oldest go first, their results it gets. */
  READER_TEXT_CHARS: 8 * 1024 * 1024,
  /** What the Worker holds for one reader, beside stream_buffer_size events. */
  READER_BUFFER_BYTES: 64 * 1024,
  /** A probe's report may come this much later than its call's timeout. */
  PROBE_GRACE_MS: 5_000,
  /** What is known of agents is looked up anew so often while a call runs that others follow. */
  HEALTH_REFRESH_MS: 1_400,
  /** Waits between the tries to take a broken stream up again; the last ones bridge a deploy. */
  REATTACH_MS: [0, 50, 100, 250, 500, 1_000, 2_000, 4_000, 8_000],
  /** The last watcher of an execution with `on_disconnect: cancel` may be gone this long. */
  DISCONNECT_GRACE_MS: 5_000,
  /** Delay before a run's start is reported to the index: most short runs are then reported once, with their end. */
  OUTBOX_FIRST_MS: 500,
  /** Reports to an index wait so long for others to be written with: less than the alarm that would look after them. */
  LEDGER_GATHER_MS: 250,
  /** How often an index takes out what has expired; expired rows are not listed anyway. */
  LEDGER_SWEEP_MS: 3_600_000,
  /** How often a cache takes out what is older than a day. */
  CACHE_SWEEP_MS: 3_600_000,
  /** Results wait so long for others to be written with. */
  CACHE_WRITE_MS: 500,
  /** A run without storage is reported to the index so often, and listed twice as long after the last report. */
  MEMORY_LISTED_MS: 60_000,
  /** It is kept so long after its end: for callers who read it once more. */
  MEMORY_KEPT_MS: 60_000,
  /** A call that others follow is proved to run so often, or they wait no longer. Its proof must come within the lease. */
  LEAD_PROBE_MS: 400,
  LEAD_LEASE_MS: 800,
  /** A call that does not run any more may have sent its result a moment ago. */
  LEAD_LANDING_MS: 100,
  /** An entry of a run that has not ended outlives its deadline by this: a crash may have held the run up. */
  LEDGER_GRACE_MS: 60_000,
  /** Runs of each shard by which opportunities and causes are judged; there are eight shards. */
  SAMPLED_RUNS: 32,
  /** Window of ended executions by which alerts are evaluated. */
  ALERT_WINDOW_SECONDS: 300,
  /** Delay after a metrics change before alerts are evaluated; changes in between are evaluated with it. */
  ALERT_JUDGE_MS: 1_000,
  /** Minimum interval between a shard's change notifications. */
  ALERT_NEWS_MS: 5_000,
  /** Lines of the operator's log wait so long for each other, off the run's own path. */
  LOG_WAIT_MS: 100,
  /** Refused calls (401, 403) leave one line of each reason in this time; the others are counted. */
  REFUSAL_LINE_MS: 1_000,
  /** A trace waits so long for others that go with it. */
  SPANS_WAIT_MS: 1_000,
  /** Waits between tries to export a trace: doubled from the one to the other, and then given up. */
  SPANS_RETRY_MS: 5_000,
  SPANS_RETRY_MOST_MS: 300_000,
  SPANS_TRIES: 10,
  /** One run's spans, as JSON: production refuses a row of 2 MB. What is beyond is left out. */
  SPANS_BYTES: 1024 * 1024,
  /** Of one POST to the collector, whose receivers take 4 MB and more. */
  SPANS_POST_BYTES: 2 * 1024 * 1024,
  /** What cannot be sent for want of good variables is looked at again so often: only a deploy brings better ones. */
  COURIER_PAUSE_MS: 300_000,
  /** While an alert fires it is judged again so often, so that its end is seen without traffic. */
  ALERT_REPEAT_MS: 30_000,
} as const;
