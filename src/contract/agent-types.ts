// What the definition of an agent says to the compiler about its stages: it has no value at run time.

/** An agent's config as a stage writes it, the inputs that it takes by the stage's name, and the data that it gives. */
export interface AgentTypes<Config, Inputs, Data> {
  readonly "~types"?: { config: Config; inputs: Inputs; data: Data };
}
