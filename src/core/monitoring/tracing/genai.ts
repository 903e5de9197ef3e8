// The names of OpenTelemetry's conventions for generative AI that spans carry, in one place: the conventions are young,
// and names still move. Since their version 0.1.0 a workflow is an agent that invokes others.

export const GENAI_CONVENTIONS_VERSION = "0.1.0";

export const GENAI = {
  OPERATION: "gen_ai.operation.name",
  AGENT_NAME: "gen_ai.agent.name",
  CONVERSATION_ID: "gen_ai.conversation.id",
  INPUT_TOKENS: "gen_ai.usage.input_tokens",
  OUTPUT_TOKENS: "gen_ai.usage.output_tokens",
  REASONING_TOKENS: "gen_ai.usage.reasoning.output_tokens",
  CACHED_TOKENS: "gen_ai.usage.cache_read.input_tokens",
  PROVIDER: "gen_ai.provider.name",
  REQUEST_MODEL: "gen_ai.request.model",
  RESPONSE_MODEL: "gen_ai.response.model",
} as const;

export const OPERATION = { RUN: "invoke_workflow", CALL: "invoke_agent" } as const;

/** From the general conventions: the agent that is called. */
export const SERVER = { ADDRESS: "server.address", PORT: "server.port" } as const;

/** From the general conventions: why a span failed, in few words of which there are few. */
export const ERROR_TYPE = "error.type";
