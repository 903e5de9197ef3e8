// The client's package entry: `import { CoordinatorClient } from "agent-coordinator"`. Agents are written with
// `agent-coordinator/agent`, which alone needs zod at run time.
export { CoordinatorClient } from "./client.ts";
export { type ClientErrorCode, CoordinatorClientError } from "./errors.ts";
export {
  type ExecutionEvent,
  isTerminalEvent,
  type StreamUpdate,
  type TerminalEvent,
  type TextEvent,
} from "./events.ts";
export { foldEvent } from "./fold-event.ts";
export type { FollowOptions } from "./follow.ts";
export type {
  Alert,
  Bottleneck,
  BudgetState,
  ConfigPatch,
  CostMetrics,
  Metrics,
  MetricsWindow,
  StageMetrics,
} from "./metrics.ts";
export type { AddStageOptions } from "./calls/pipeline-calls.ts";
export {
  addExecution,
  isRunOver,
  type LoggedEvent,
  pendingStage,
  type RunBudget,
  type RunEvent,
  type RunView,
  type StageNote,
  type StageQueue,
  type StageSpan,
  type StageView,
  type ItemsView,
  type StageWait,
} from "./run-view.ts";
export type {
  Conversation,
  ConversationOptions,
  ConversationTurn,
  ForkChanges,
  ForkOptions,
  ForkPlan,
} from "./calls/conversation-calls.ts";
export type { ClientOptions } from "./transport.ts";
export type {
  Agent,
  Budget,
  CallOptions,
  DefinitionOptions,
  ExecuteOptions,
  Execution,
  OnBusy,
  Registration,
  RunRequest,
  Stage,
  StageRun,
  StartOptions,
  UpdateCallback,
  WriteOptions,
} from "./requests.ts";
export type { StageToken, Wait, WaitFilter } from "./calls/wait-calls.ts";
export { agentOf, type AgentRef, agentRef } from "./pipeline/agent-ref.ts";
export { cel, type Expression, orElse, type Perhaps } from "./pipeline/expression.ts";
export { pipeline, type PipelineResult, type TypedPipeline } from "./pipeline/pipeline.ts";
