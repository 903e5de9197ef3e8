// What the compiler knows of a pipeline's stages: the data that each gives, what the expressions of a stage may read, and
// whether an agent's inputs are what its stage depends on.
import type { StageResult } from "../../contract/stage.ts";
import type { AgentRef, DataOf, InputsOf } from "./agent-ref.ts";
import type { Ref } from "./expression.ts";
import type { SchemaData } from "./schema-data.ts";

/** A stage: its data as the stages after it get them, and the names of all the stages that it comes after. */
interface StageType {
  data: unknown;
  after: string;
}

/** By their names. */
export type StageTypes = Record<string, StageType>;

export type SomeAgent = AgentRef;

/** A typed pipeline as another one names it. */
export interface SomePipeline {
  readonly name: string;
  readonly "~result"?: unknown;
}

/** Whether a parameter's type was given: a parameter whose argument is left out is `never`. */
type IsAbsent<Given> = [Given] extends [never] ? true : false;

/** A result's type; `never` where nothing is known of it. */
type Known<Data> = [Data] extends [never] ? unknown : Data;

/** The data of one call of a stage, or the answer that it waits for. */
export type CallData<Agent, Child, Schema> =
  IsAbsent<Agent> extends false
    ? Described<Agent extends string ? unknown : DataOf<Agent>, Schema>
    : IsAbsent<Child> extends false
      ? Described<Child extends { readonly "~result"?: infer Result } ? ChildData<Result> : unknown, Schema>
      : Known<SchemaData<Schema>>;

/** The agent's own type, or else what the stage's `output_schema` says. */
type Described<Data, Schema> = unknown extends Data ? Known<SchemaData<Schema>> : Data;

/** A child whose last stage was skipped gives an object without members. */
type ChildData<Result> = unknown extends Result
  ? unknown
  : null extends Result
    ? Partial<NonNullable<Result>>
    : Result;

/** The data of a stage with `map`. */
type MappedData<Data> = {
  items: {
    index: number;
    status: StageResult["status"];
    data: Data | null;
    error: StageResult["error"];
    attempts: number;
  }[];
  completed: number;
  failed: number;
};

/**
 * The data of a stage: null where its definition lets it be skipped, or fail without failing the run. As what it
 * resolves to, without these names: a caller's own declarations could not name them.
 */
export type StageData<Data, Over, Required, When, OnTimeout> =
  | (IsAbsent<Over> extends true ? Data : MappedData<Data>)
  | (Required extends true ? never : null)
  | (IsAbsent<When> extends true ? never : null)
  | ("skip" extends OnTimeout ? null : never) extends infer Resolved
  ? Resolved
  : never;

/** The names of a stage's dependencies, direct or not. */
export type Before<Stages extends StageTypes, Needs extends keyof Stages> =
  | (Needs & string)
  | Stages[Needs]["after"];

/** What every expression of a stage may read. */
export interface Scope<Stages extends StageTypes, Needs extends keyof Stages> {
  /** The run's question. */
  query: Ref<string>;
  /** The run's context, of which the compiler knows nothing. */
  context: any;
  /** The data of the stages that it comes after. */
  results: { readonly [Name in Before<Stages, Needs>]: Ref<Stages[Name]["data"]> };
}

/** What `input` may read, and a child's `query` and `context`: beside the rest the item and the iteration. */
export type UnitScope<Stages extends StageTypes, Needs extends keyof Stages, Over, Item, Max, Data> = Scope<
  Stages,
  Needs
> &
  (IsAbsent<Over> extends true ? unknown : { item: Ref<Known<Item>>; index: Ref<number> }) &
  (IsAbsent<Max> extends true ? unknown : { iteration: Ref<number>; previous: Ref<Data | null> });

/** What `repeat.until` may read: beside the rest the result that it is about. */
export type UntilScope<Stages extends StageTypes, Needs extends keyof Stages, Over, Item, Data> = UnitScope<
  Stages,
  Needs,
  Over,
  Item,
  number,
  Data
> & { result: Ref<Data> };

/** The argument that names a stage; a name that is taken is refused. */
export type FreeName<Name extends string, Stages> = Name extends keyof Stages
  ? `${Name} is the name of an earlier stage`
  : Name;

/** Refuses an agent whose inputs by name are not the data of the stage's dependencies. */
export type Fitting<Agent, Stages extends StageTypes, Needs extends keyof Stages> = [Agent] extends [
  SomeAgent,
]
  ? FitsInputs<InputsOf<Agent>, Stages, Needs>
  : unknown;

type FitsInputs<Inputs, Stages extends StageTypes, Needs extends keyof Stages> = unknown extends Inputs
  ? unknown
  : string extends keyof Inputs
    ? unknown
    : Gets<Inputs, Stages, Needs> extends Inputs
      ? unknown
      : UnfitInputs<Inputs, Gets<Inputs, Stages, Needs>>;

/** What an agent gets of the inputs that it names; what the compiler does not know is as it should be. */
type Gets<Inputs, Stages extends StageTypes, Needs extends keyof Stages> = {
  [Name in Needs & keyof Inputs]: unknown extends Stages[Name]["data"] ? Inputs[Name] : Stages[Name]["data"];
};

interface UnfitInputs<Needed, Given> {
  "the agent's inputs are not what depends_on gives": { needed: Needed; given: Given };
}

/** A pipeline's `final_result`: the data of its last stage, or by name those of several. */
export type FinalResult<Stages extends StageTypes, Needed> =
  IsOne<Exclude<keyof Stages, Needed>> extends true
    ? Stages[Exclude<keyof Stages, Needed>]["data"]
    : { [Name in Exclude<keyof Stages, Needed>]: Stages[Name]["data"] };

type IsOne<Names, All = Names> = Names extends unknown ? ([All] extends [Names] ? true : false) : never;
