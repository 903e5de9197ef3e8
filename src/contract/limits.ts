// Every limit on what callers and agents may send or receive (src/contract/README.md section 8), with its unit in its
// name and its reason in its comment. The engine's own timings are in core/timings.ts.

export const LIMITS = {
  /** A caller's body: a question and a few overrides, not a document. */
  BODY_BYTES: 256 * 1024,
  /** Maximum nesting of input JSON: keeps every later traversal shallow. */
  JSON_DEPTH: 32,
  QUERY_CHARS: 32_768,
  CONVERSATION_ID_CHARS: 128,
  /** Pipelines, stages and agent types: `[A-Za-z0-9_.-]`. */
  NAME_CHARS: 64,
  CONDITION_CHARS: 4_096,
  /** That the agent of one stage may ask in a run. */
  AGENT_QUESTIONS: 20,
  /** Of one stage with `map`: each has a call, and an entry in the stage's result. */
  MAP_ITEMS: 1_000,
  /** Levels of pipelines within each other, the run's own included. */
  PIPELINE_DEPTH: 4,
  /** Executions that one may come to with all that its stages run, itself included. */
  TREE_EXECUTIONS: 200,
  /** Of one stage with `repeat`. */
  ITERATIONS: 20,
  /** Of a stage's `input`. */
  INPUT_KEYS: 32,
  /** Of a pipeline. */
  DESCRIPTION_CHARS: 1_024,
  /** The shape of an expression's text: a line, not a program. */
  EXPRESSION_NODES: 256,
  EXPRESSION_DEPTH: 32,
  /** Of one list or map that it writes down. */
  EXPRESSION_ENTRIES: 64,
  EXPRESSION_ARGUMENTS: 8,
  /**
   * What one evaluation may do, in the steps of core/expressions/evaluate/meter.ts: 23 ms of a small, busy machine at
   * most once the code is warm, 29 ms the first time, of the 50 that no expression may take (bench:expressions).
   */
  EXPRESSION_STEPS: 400_000,
  /** The longest text that it may make, in UTF-16 units: as long as a stage's result. */
  EXPRESSION_TEXT_CHARS: 1024 * 1024,
  /** The longest list that it may create: ten times the limit of a list of calls. */
  EXPRESSION_ITEMS: 10_000,
  /** Of it an error shows so much. */
  SHOWN_EXPRESSION_CHARS: 200,
  /** A JSON Schema as UTF-8 JSON: the shape of an answer, which is read with every run. */
  SCHEMA_BYTES: 16 * 1024,
  /** Of all of a schema's patterns together, once their repetitions are written out: each is 100 bytes in memory. */
  SCHEMA_PATTERN_CHARS: 4_000,
  /** Subschemas that apply to one value: a few references to each other make millions of them. */
  SCHEMA_APPLIED: 1_000,
  /** Of them within each other: the stack holds them all for each level of the data. */
  SCHEMA_CHAIN: 16,
  /**
   * What one check of data against a schema may do, in steps of 20 to 150 ns: four for each of the most values that a
   * result may have, and a fraction of a second at most (test/core/schemas/data-faults-cost.test.ts).
   */
  SCHEMA_STEPS: 2_000_000,
  /** Calls of an agent at once, and calls in a period: what one object can lease and keep in one row. */
  AGENT_CONCURRENCY: 1_000,
  AGENT_RATE_CALLS: 1_000,
  AGENT_RATE_SECONDS: 3_600,
  /** Calls that wait for a place at one agent of a tenant; further ones wait by their retry rule. */
  AGENT_QUEUE: 1_000,
  /** Of a run among those that wait for an agent: -10 to 10. */
  PRIORITY: 10,
  /** The longest that an agent's Retry-After holds back its calls. */
  HOLD_SECONDS: 60,
  /** Models with a price. */
  PRICES: 200,
  MODEL_CHARS: 128,
  /** Budgets of a tenant. */
  BUDGETS: 50,
  /** A month. */
  BUDGET_WINDOW_SECONDS: 31 * 86_400,
  /** Of an execution. */
  TAGS: 8,
  TAG_CHARS: 128,
  STAGES: 64,
  EDGES: 256,
  /** Of a tenant: a program that defines more has a fault. */
  PIPELINES: 1_000,
  AGENTS: 1_000,
  /** The stored patch, as UTF-8 JSON: it is read with every run. */
  CONFIG_BYTES: 64 * 1024,
  /** All that a tenant has defined, as UTF-8 JSON: it travels by RPC, which ends at 32 MiB, in two bytes a character. */
  CATALOG_BYTES: 8 * 1024 * 1024,
  /** One stage's data, context and usage as UTF-8 JSON. */
  RESULT_BYTES: 1024 * 1024,
  /**
   * Of one object in an answer, and of a run's context: more than a body has room for. The engine lists them all or
   * none, in up to 0.5 µs each, so that an expression cannot be charged for them before.
   */
  MEMBERS: 40_000,
  /** Members of an agent's `usage`: a handful have a meaning, and every stage's are added up at each of its ends. */
  USAGE_KEYS: 64,
  /** An agent's whole answer, decoded: a decompression bomb is cut here, long before it hurts. */
  AGENT_BODY_BYTES: 5 * 1024 * 1024,
  /** One line and one event of an agent's stream: the answer itself plus room for its envelope. */
  AGENT_EVENT_BYTES: 5 * 1024 * 1024,
  /** Above this a stage with `map` shows its items without their data; their own events have them. */
  SHOWN_ITEMS_BYTES: 256 * 1024,
  /** Above this a terminal event goes out without stage data; GET has them. */
  TERMINAL_EVENT_BYTES: 256 * 1024,
  /** Of several last stages, data larger than this together is in `stage_results` alone: an answer has it once. */
  FINAL_RESULT_BYTES: 1024 * 1024,
  /** A day: longer waits belong to a pause or to the caller. */
  TIMEOUT_SECONDS: 86_400,
  RETRY_ATTEMPTS: 100,
  /** Of all stages of one run together: eight for each of the most stages that a pipeline may have. */
  RUN_TRIES: 512,
  /** Six outgoing connections are all an object has. */
  CONCURRENT_STAGES: 6,
  /** One execution's share of an isolate of 128 MB next to other runs. */
  CONTEXT_MB: 16,
  /** Conversation turns passed to an agent. */
  HISTORY_TURNS: 50,
  /** Turns on one page of a conversation: with the longest questions and answers 4 MB. */
  TURNS_LISTED: 200,
  /** Executions of one conversation that wait for the one before them. */
  QUEUED_RUNS: 10,
  PAUSE_SECONDS: 30 * 86_400,
  /** A month: a wait for a person, or for an agent that answers later. */
  WAIT_SECONDS: 30 * 86_400,
  /** What is shown to a person, as UTF-8 JSON: it is kept by the execution and by the inbox. */
  PROMPT_BYTES: 64 * 1024,
  /** Names with metrics of their own, each a series of a metric; further ones are counted as `other`. */
  METRICS_PIPELINES: 1_000,
  METRICS_STAGES: 200,
  /** Stages run on their own, whose names any caller may choose: they do not use up pipelines' slots. */
  METRICS_SINGLE_STAGES: 200,
  /** Of a pipeline, as agents name them. */
  METRICS_MODELS: 50,
  /** Of a pipeline: tags with their values. */
  METRICS_TAGS: 100,
  /** Recorded runs whose costs an answer has. */
  METRICS_COST_RUNS: 50,
  /** Entries of a list of errors: a document with thousands of faults is not read to its end. */
  ERRORS: 50,
  /** One text of a problem document: its detail, or an entry's. */
  ERROR_CHARS: 1_000,
  /** A key's name, for people. */
  KEY_NAME_CHARS: 128,
  /** Metrics are kept a day, by the minute. */
  METRICS_WINDOW_SECONDS: 86_400,
  /** A token for the outside: in an address and in a header. With every name as long as it may be it has 350. */
  OUTSIDE_TOKEN_CHARS: 400,
  /** As for webhooks: what signs must not be guessable from what it signed. */
  TOKEN_SECRET_BYTES: 24,
  /** The standard asks for 24 to 64 bytes of a webhook's secret. */
  WEBHOOK_KEY_BYTES: 24,
  /** Time limit of a receiver of webhooks or traces. */
  EXPORT_TIMEOUT_MS: 15_000,
} as const;
