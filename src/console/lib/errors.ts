// User-visible texts of errors: a title and advice for each code.
import { CoordinatorClientError } from "../../client/index.ts";

interface ErrorWords {
  title: string;
  advice: string;
}

const WORDS: Readonly<Record<string, ErrorWords>> = {
  AGENT_UNAVAILABLE: {
    title: "An agent could not be reached",
    advice:
      "Check on the Health page that it is registered and its circuit breaker is closed, then ask again.",
  },
  STAGE_TIMEOUT: {
    title: "A stage took too long",
    advice: "Raise its timeout_seconds in the pipeline, or make its agent faster.",
  },
  AGENT_PROCESSING_ERROR: {
    title: "An agent answered with an error",
    advice: "Its message is below; the events list each try.",
  },
  PIPELINE_TIMEOUT: {
    title: "The whole run took too long",
    advice: "Check in the timeline which stages took long, or raise pipeline_timeout_seconds.",
  },
  INVALID_PIPELINE_CONFIG: {
    title: "The pipeline’s definition is wrong",
    advice: "Open it under Pipelines: its errors are marked there.",
  },
  RESOURCE_EXHAUSTED: {
    title: "The run grew too large",
    advice: "Make the agents return less data, or raise memory_limit_mb.",
  },
  CONTEXT_CORRUPTED: {
    title: "The run’s log cannot be read",
    advice: "Its storage is damaged; ask the question again.",
  },
  EXECUTION_NOT_FOUND: {
    title: "Run not found",
    advice: "It may have been deleted or belong to another tenant. The list shows the existing runs.",
  },
  STAGE_NOT_FOUND: { title: "Stage not found", advice: "Its run has no stage of this name." },
  EXECUTION_CONFLICT: {
    title: "That cannot be done any more",
    advice: "Somebody else was faster, or its time is over. The run shows what happened.",
  },
  CONVERSATION_BUSY: {
    title: "Another question of this conversation has not been answered",
    advice: "Wait for its end or cancel it, then try again.",
  },
  PIPELINE_NOT_FOUND: {
    title: "Pipeline not found",
    advice: "Choose another one, or create it under Pipelines.",
  },
  PRECONDITION_FAILED: {
    title: "This pipeline has changed since it was loaded",
    advice: "Your text is kept. Load the saved version, or overwrite it.",
  },
  BUDGET_EXCEEDED: {
    title: "A budget is spent",
    advice: "Raise the budget of the run, of its pipeline or in the configuration, then ask again.",
  },
  RATE_LIMITED: { title: "Too many questions at once", advice: "Wait a moment, then ask again." },
  FORBIDDEN: { title: "This key lacks permission", advice: "Sign in with a key that has the scope." },
  UNAUTHORIZED: { title: "API key required", advice: "Sign in with a key of this coordinator." },
  COORDINATOR_DISABLED: {
    title: "The coordinator is switched off",
    advice: "It starts no executions while AGENT_COORDINATOR_ENABLED is false. Running ones continue.",
  },
  NETWORK_ERROR: { title: "No connection", advice: "The page retries automatically." },
  NOT_FOUND: { title: "Not available on this coordinator", advice: "It may be an older version." },
};

/** The text of a code; the code itself if this page does not know it. */
export function errorWords(code: string): ErrorWords {
  return WORDS[code] ?? { title: code, advice: "The coordinator’s message is below." };
}

export interface ErrorNotice extends ErrorWords {
  code: string;
  detail: string;
}

/** The text shown for a thrown error. */
export function errorNotice(cause: unknown): ErrorNotice {
  const code = cause instanceof CoordinatorClientError ? cause.code : "UNKNOWN";
  const detail = cause instanceof Error ? cause.message : String(cause);
  if (code === "UNKNOWN") return { code, title: "Something went wrong", advice: "Reload the page.", detail };
  return { code, ...errorWords(code), detail };
}
