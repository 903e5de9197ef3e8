// The schemas that endpoints name as their answers: loaded together, for the OpenAPI document and tests alone. A name
// here is also the schema's name in that document.
export { BudgetList } from "./budget.ts";
export { CoordinatorConfig } from "./config.ts";
export { ChatStopped, Conversation, ForkAnswer } from "./conversation.ts";
export { EventList } from "./event.ts";
export { PipelineExecution } from "./execution.ts";
export * from "./execution-list.ts";
export * from "./management.ts";
export * from "./metrics.ts";
export { Model, ModelList } from "./models.ts";
export { Pipeline } from "./pipeline.ts";
export { StageResult } from "./stage.ts";
export { ExecutionTrace } from "./trace.ts";
export { CallbackReply, WaitList, WaitToken } from "./wait.ts";
