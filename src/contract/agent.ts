// The contract with an agent (src/contract/README.md section 4): the answers it may give, and how it is registered.
// The call that it receives is checked only by agents, so it has its own file.
import * as z from "./zod.ts";
import { JsonObject } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { keptUsage } from "./usage.ts";

export type { AgentCall } from "./agent-call.ts";

/** An optional member that is as absent where its value is of another type, `null` for one. */
const lenient = <T>(schema: z.ZodMiniType<T>) =>
  z.optional(
    // Not z.catch, which brings 8 kB of zod with it.
    z.transform((value: unknown) => {
      const read = schema.safeParse(value);
      return read.success ? read.data : undefined;
    }),
  );

/** The JSON answer, and the `result` event of a streamed one. */
export const AgentAnswer = z.object({
  data: JsonObject,
  context: lenient(JsonObject),
  usage: z.optional(z.transform(keptUsage)),
});
export type AgentAnswer = z.infer<typeof AgentAnswer>;

export const AgentDelta = z.object({
  text: z.string(),
  /** The text so far is cut there first, in UTF-16 units from its start. */
  offset: lenient(z.number().check(z.int(), z.gte(0))),
});
export const AgentProgress = z.object({
  message: z.string(),
  fraction: lenient(z.number().check(z.gte(0), z.lte(1))),
});
export type AgentProgress = z.infer<typeof AgentProgress>;

/**
 * An agent's error: problem details, of which only these are read. A member of the wrong type is ignored (RFC 9457,
 * section 3.1), and so is a status that is none.
 */
export const AgentProblem = z.object({
  title: lenient(z.string()),
  detail: lenient(z.string()),
  status: lenient(z.number().check(z.int(), z.gte(100), z.lte(599))),
  retryable: lenient(z.boolean()),
});
export type AgentProblem = z.infer<typeof AgentProblem>;

const SecretReference = z
  .string()
  .check(
    z.regex(
      /^secret:[A-Z0-9][A-Z0-9_]{0,63}$/,
      "must be secret:NAME, NAME of A-Z 0-9 _ and without a leading _",
    ),
  );
/** Request headers that a registration cannot have, each kind with the message of its refusal. */
const REFUSED_HEADERS: readonly (readonly [RegExp, string])[] = [
  [
    /^(accept|accept-encoding|content-.*|host|idempotency-key|traceparent|coordinator-.*)$/i,
    "is a header that the coordinator sets itself",
  ],
  // RFC 9110, section 7.6.1, and what HTTP/1.1 and HTTP/2 add to it. They hold for one connection, which is the
  // runtime's: a second `transfer-encoding` or an `expect` makes a request that the next server reads otherwise.
  [
    /^(connection|keep-alive|proxy-.*|te|trailers?|transfer-encoding|upgrade|http2-settings|expect)$/i,
    "is a header of the connection, which the runtime sets",
  ],
  [
    /^(cf-.*|cdn-loop|x-forwarded-.*|x-real-ip|forwarded|via|sec-.*)$/i,
    "is a header that proxies or browsers set to identify the caller",
  ],
];

const HeaderName = z
  .string()
  .check(
    z.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, "is not a header name"),
    ...REFUSED_HEADERS.map(([names, detail]) => z.refine<string>((name) => !names.test(name), detail)),
  );

/** The protocols that an agent may be called by (src/adapters/agents/protocols.ts). */
export const ProtocolName = z.literal(["native", "openai", "a2a", "mcp", "ag-ui", "langgraph"]);

const Calls = (most: number) => z.number().check(z.int(), z.gte(1), z.lte(most));

/** What the agent can bear, of all runs of its tenant together. */
export const AgentLimits = z
  .strictObject({
    /** Calls at once. */
    concurrency: z.optional(Calls(LIMITS.AGENT_CONCURRENCY)),
    /** Calls in any period of so many seconds. */
    rate: z.optional(
      z.strictObject({
        calls: Calls(LIMITS.AGENT_RATE_CALLS),
        per_seconds: Calls(LIMITS.AGENT_RATE_SECONDS),
      }),
    ),
  })
  .check(
    z.refine(
      ({ concurrency, rate }) => concurrency !== undefined || rate !== undefined,
      "needs concurrency or rate",
    ),
  );
export type AgentLimits = z.infer<typeof AgentLimits>;

const registrationFields = {
  protocol: z._default(ProtocolName, "native"),
  /** Of the protocol: agent-options.ts. */
  options: z.optional(JsonObject),
  headers: z.optional(z.record(HeaderName, SecretReference)),
  limits: z.optional(AgentLimits),
};

/** The body of PUT /v1/agents/:agent_type. */
export const AgentRegistration = z.lazy(() =>
  z.union([
    z.strictObject({ url: z.string().check(z.minLength(1), z.maxLength(2_048)), ...registrationFields }),
    z.strictObject({
      binding: z.string().check(z.regex(/^AGENTS[A-Z0-9_]{0,58}$/, "must begin with AGENTS")),
      path: z.optional(
        z.string().check(z.regex(/^\/[\w.~!$&'()*+,;=:@%/?-]{0,1023}$/, "must be an absolute path")),
      ),
      ...registrationFields,
    }),
  ]),
);
export type AgentRegistration = z.infer<typeof AgentRegistration>;

/** A registration as stored by the catalog and pinned by a run. */
export type RegisteredAgent = AgentRegistration & {
  /** Another one at each PUT of the agent, also of the same registration; absent is 0. */
  generation?: number;
};
