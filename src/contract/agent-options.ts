// The options of a registration, by its protocol (src/contract/README.md section 15). They are checked where an agent
// is registered, and again at each call, where a stage's config may replace some of them.
import type { AgentRegistration } from "./agent.ts";
import { JsonObject } from "./json.ts";
import * as z from "./zod.ts";

/** Text with `{{path.to.value}}` in it. */
const Template = z.string().check(z.minLength(1), z.maxLength(32_768));
const Id = z.string().check(z.minLength(1), z.maxLength(256));
const optionalNumber = (least: number, most: number) =>
  z.optional(z.number().check(z.gte(least), z.lte(most)));
const optionalCount = () => z.optional(z.number().check(z.int(), z.gte(1)));

/** Members of the request's body, as the endpoint names them. */
const samplingFields = () => ({
  temperature: optionalNumber(0, 2),
  top_p: optionalNumber(0, 1),
  frequency_penalty: optionalNumber(-2, 2),
  presence_penalty: optionalNumber(-2, 2),
  max_tokens: optionalCount(),
  max_completion_tokens: optionalCount(),
  seed: z.optional(z.number().check(z.int())),
  stop: z.optional(z.union([z.string(), z.array(z.string())])),
  reasoning_effort: z.optional(z.string().check(z.minLength(1), z.maxLength(64))),
  response_format: z.optional(JsonObject),
});

export const OpenAiOptions = z.lazy(() =>
  z.strictObject({
    model: Id,
    system: z.optional(Template),
    prompt: z.optional(Template),
    /** Whether the conversation's turns are messages before the prompt. */
    history: z._default(z.boolean(), true),
    /** `json`: the text is an object, which is the data. */
    output: z._default(z.enum(["text", "json"]), "text"),
    ...samplingFields(),
  }),
);
export type OpenAiOptions = z.infer<typeof OpenAiOptions>;

export const McpOptions = z.lazy(() =>
  z.strictObject({
    tool: Id,
    /** An object of templates; the query alone where there is none. */
    arguments: z.optional(JsonObject),
    /** Whether a tool that answers with an error is called again. */
    retry_tool_errors: z._default(z.boolean(), false),
  }),
);
export type McpOptions = z.infer<typeof McpOptions>;

export const A2aOptions = z.lazy(() =>
  z.strictObject({
    prompt: z.optional(Template),
    /** Whether the inputs are a part of the message besides its text. */
    send_data: z._default(z.boolean(), true),
    /** `conversation`: the messages of a conversation are of one context. */
    context: z.optional(z.literal("conversation")),
  }),
);
export type A2aOptions = z.infer<typeof A2aOptions>;

export const AgUiOptions = z.lazy(() =>
  z.strictObject({
    prompt: z.optional(Template),
    forwarded_props: z.optional(JsonObject),
    state: z.optional(JsonObject),
    /** The run's last state is in the data. */
    keep_state: z._default(z.boolean(), false),
  }),
);
export type AgUiOptions = z.infer<typeof AgUiOptions>;

export const LangGraphOptions = z.lazy(() =>
  z.strictObject({
    assistant_id: Id,
    /** An object of templates. */
    input: z.optional(JsonObject),
    answer_node: z.optional(Id),
  }),
);
export type LangGraphOptions = z.infer<typeof LangGraphOptions>;

/** The schema of the options of each protocol. */
export const AGENT_OPTIONS: Readonly<Record<AgentRegistration["protocol"], z.ZodMiniType<JsonObject>>> = {
  native: z.strictObject({}),
  openai: OpenAiOptions,
  a2a: A2aOptions,
  mcp: McpOptions,
  "ag-ui": AgUiOptions,
  langgraph: LangGraphOptions,
};
