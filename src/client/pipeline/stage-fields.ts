// The fields of a stage of a typed pipeline: those of the contract, with agents and pipelines as values, and expressions
// as CEL or as callbacks.
import type { Stage } from "../requests.ts";
import type { AgentRef, ConfigOf } from "./agent-ref.ts";
import type { Expression, Written } from "./expression.ts";
import type {
  CallData,
  Fitting,
  Scope,
  SomeAgent,
  SomePipeline,
  StageTypes,
  UnitScope,
  UntilScope,
} from "./stage-types.ts";

type JsonObject = Record<string, unknown>;

/** The contract's fields that a stage of every kind has as they are. */
type PlainField = "parallel";
/** Those of a stage that calls an agent. */
type AgentField =
  | "retry_attempts"
  | "cache"
  | "hedge_after_ms"
  | "idle_timeout_seconds"
  | "callback_timeout_seconds"
  | "heartbeat_seconds"
  | "on_input_required"
  | "input_timeout_seconds";
type ChildField = "query" | "context";
type CallField = "timeout_seconds" | "output_schema" | "map" | "repeat";

type Without<Fields extends string> = { [Field in Fields]?: never };

type ObjectExpression = Expression<object> | { readonly [key: string]: Written };

/** `fallback` with data of the stage's own type. */
interface UseDefault<Data> {
  strategy: "use_default";
  data: unknown extends Data ? JsonObject : Data;
}

type AgentFallback<Data> =
  | "use_cached_results"
  | "use_simple_model"
  | { strategy: "use_cached_results" }
  | { strategy: "use_simple_model"; agent?: string | AgentRef<unknown, Data>; config?: JsonObject }
  | UseDefault<Data>;

/** Whether nothing is known of it: `never` of a stage without an agent. */
type IsOpen<Type> = [Type] extends [never] ? true : unknown extends Type ? true : false;

type ConfigField<Config> =
  IsOpen<Config> extends true
    ? { config?: JsonObject }
    : {} extends Config
      ? { config?: Config }
      : { config: Config };

/**
 * What `stage` takes. The parameters are what the compiler reads of it: `Needs` the names in `depends_on`; `When`, `Over`
 * and `Max` are `never` where there is no `when`, no `map` and no `repeat`.
 */
export type StageFields<
  Stages extends StageTypes,
  Needs extends keyof Stages,
  Agent extends SomeAgent | string,
  Child extends SomePipeline | string,
  Required extends boolean,
  When extends string,
  Over extends string,
  Item,
  Max extends number,
  Schema,
  OnTimeout,
  Data = CallData<Agent, Child, Schema>,
> = {
  /** Names of earlier stages, whose data this one gets. */
  depends_on?: readonly Needs[];
  required?: Required;
  /** Whether it runs: CEL, or a callback that gives a boolean. */
  when?: When | ((scope: Scope<Stages, Needs>) => Expression<boolean> | boolean);
} & Pick<Stage, PlainField> &
  (
    | (Calls<Stages, Needs, Over, Item, Max, Schema, Data> &
        Pick<Stage, AgentField> &
        ConfigField<[Agent] extends [SomeAgent] ? ConfigOf<Agent> : unknown> &
        Without<"wait" | "pipeline" | ChildField> & {
          /** An agent with its types, or the `agent_type` of one that is not checked. */
          agent: Agent & Fitting<Agent, Stages, Needs>;
          /** What the agent gets as `input`: CEL by key, or a callback that gives an object. */
          input?:
            | Record<string, string>
            | ((scope: UnitScope<Stages, Needs, Over, Item, Max, Data>) => {
                readonly [key: string]: Written;
              });
          fallback?: AgentFallback<Data>;
        })
    | (Without<"agent" | "pipeline" | "input" | "config" | AgentField | ChildField | CallField> & {
        /** The question to a person or a system. */
        wait: {
          /** What is shown: CEL, or a callback that gives an object. */
          prompt?: string | ((scope: Scope<Stages, Needs>) => ObjectExpression);
          /** JSON Schema of the answer; as a literal it gives the type of the stage's data. */
          schema?: Schema & object;
          timeout_seconds?: number;
          on_timeout?: OnTimeout & ("fail" | "skip" | { readonly data: Data });
        };
        fallback?: UseDefault<Data>;
      })
    | (Calls<Stages, Needs, Over, Item, Max, Schema, Data> &
        Without<"agent" | "wait" | "input" | "config" | AgentField> & {
          /** Another typed pipeline, or the name of one. */
          pipeline: Child;
          /** The question of its run: CEL, or a callback that gives a string. */
          query?:
            | string
            | ((scope: UnitScope<Stages, Needs, Over, Item, Max, Data>) => Expression<string> | string);
          /** The context of its run: CEL, or a callback that gives an object. */
          context?: string | ((scope: UnitScope<Stages, Needs, Over, Item, Max, Data>) => ObjectExpression);
          fallback?: UseDefault<Data>;
        })
  );

/** The fields of what a stage calls, an agent or a pipeline. */
interface Calls<Stages extends StageTypes, Needs extends keyof Stages, Over, Item, Max, Schema, Data>
  extends Pick<Stage, "timeout_seconds"> {
  /** JSON Schema of the data; as a literal it gives their type, where the agent has none. */
  output_schema?: Schema & object;
  /** One call for each item. The compiler knows the type of `item` in the fields that are written after it. */
  map?: Omit<NonNullable<Stage["map"]>, "over"> & {
    /** The list: CEL, or a callback that gives it. */
    over: Over | ((scope: Scope<Stages, Needs>) => Expression<readonly Item[]> | readonly Item[]);
  };
  repeat?: Omit<NonNullable<Stage["repeat"]>, "until" | "max"> & {
    /** Whether the result is good: CEL, or a callback that gives a boolean. */
    until: string | ((scope: UntilScope<Stages, Needs, Over, Item, Data>) => Expression<boolean> | boolean);
    max: Max;
  };
}
