// Errors in words: what happened, and what to do about it.
import { CoordinatorClientError } from "../../client/index.ts";

interface Told {
  title: string;
  advice: string;
}

const WORDS: Readonly<Record<string, Told>> = {
  AGENT_UNAVAILABLE: {
    title: "An agent could not be reached",
    advice: "Look on the Health page whether it is registered and its breaker closed, then ask again.",
  },
  STAGE_TIMEOUT: {
    title: "A stage took too long",
    advice: "Give it a longer timeout_seconds in the pipeline, or make its agent answer sooner.",
  },
  AGENT_PROCESSING_ERROR: {
    title: "An agent answered with an error",
    advice: "Its own words are below; the events show each try.",
  },
  PIPELINE_TIMEOUT: {
    title: "The whole run took too long",
    advice: "See in the timeline where the time went, or raise pipeline_timeout_seconds.",
  },
  INVALID_PIPELINE_CONFIG: {
    title: "The pipeline’s definition is wrong",
    advice: "Open it under Pipelines: what is wrong is marked there.",
  },
  RESOURCE_EXHAUSTED: {
    title: "The run grew too large",
    advice: "Let the agents answer with less, or raise memory_limit_mb.",
  },
  CONTEXT_CORRUPTED: {
    title: "The run’s log cannot be read",
    advice: "Its storage is damaged; ask the question again.",
  },
  EXECUTION_NOT_FOUND: {
    title: "There is no such run",
    advice: "It may have been deleted or belong to another key. The list shows those there are.",
  },
  PIPELINE_NOT_FOUND: {
    title: "There is no such pipeline",
    advice: "Choose another one, or write it under Pipelines.",
  },
  PRECONDITION_FAILED: {
    title: "Somebody has saved this pipeline in the meantime",
    advice: "Your text is still here. Load theirs to compare, or save over it.",
  },
  RATE_LIMITED: { title: "Too many questions at once", advice: "Wait a moment, then ask again." },
  FORBIDDEN: { title: "This key may not do that", advice: "Sign in with a key that has the scope." },
  UNAUTHORIZED: { title: "A key is needed", advice: "Sign in with a key of this coordinator." },
  COORDINATOR_DISABLED: {
    title: "The coordinator is switched off",
    advice: "It starts nothing while AGENT_COORDINATOR_ENABLED is false. What runs goes on.",
  },
  NETWORK_ERROR: { title: "Nothing answers", advice: "The page keeps trying and goes on by itself." },
  NOT_FOUND: { title: "This coordinator does not offer that", advice: "It may be an older version." },
};

/** What a code means; its own name where this page does not know it. */
export function told(code: string): Told {
  return WORDS[code] ?? { title: code, advice: "The coordinator’s own words are below." };
}

export interface Trouble extends Told {
  code: string;
  detail: string;
}

/** What is shown of whatever was thrown. */
export function troubleOf(cause: unknown): Trouble {
  const code = cause instanceof CoordinatorClientError ? cause.code : "UNKNOWN";
  const detail = cause instanceof Error ? cause.message : String(cause);
  if (code === "UNKNOWN") return { code, title: "Something went wrong", advice: "Reload the page.", detail };
  return { code, ...told(code), detail };
}
