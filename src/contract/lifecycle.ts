// The kinds of lifecycle events, those that are logged and numbered (src/contract/README.md section 3).

export const LIFECYCLE_TYPES = [
  "execution.queued",
  "execution.started",
  "execution.paused",
  "execution.resumed",
  "execution.recovered",
  "execution.completed",
  "execution.failed",
  "execution.cancelled",
  "stage.queued",
  "stage.started",
  "stage.iterated",
  "stage.waiting",
  "stage.signalled",
  "stage.retrying",
  "stage.fallback",
  "stage.completed",
  "stage.failed",
  "stage.skipped",
  "stage.cancelled",
] as const;
