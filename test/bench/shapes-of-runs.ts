// The shape of a run: layers of stages, of which each waits for the whole of the one before. One value describes a
// run to both sides, so that the floor and the coordinator make the same calls.

/** Of each stage how long its agent takes, in ms; 0 answers at once. Stages of a layer run side by side. */
export type Layers = readonly (readonly number[])[];

export function chain(stages: number, ms = 0): Layers {
  return Array.from({ length: stages }, () => [ms]);
}

export function fan(stages: number): Layers {
  return [Array.from({ length: stages }, () => 0)];
}

/** The specification's pipeline with its stage times scaled by ten. */
export const SPECIFIED: Layers = [[12], [8], [80, 80], [220]];

/** The same pipeline, whose agents answer at once. */
export const INSTANT_FIVE: Layers = SPECIFIED.map((layer) => layer.map(() => 0));

/** What no coordinator can be faster than, in ms. */
export function criticalPath(layers: Layers): number {
  return layers.reduce((sum, layer) => sum + Math.max(...layer), 0);
}

/** The agent's settings of one stage, the same for the floor's call and the coordinator's. */
export function configOf(delay_ms: number): { delay_ms?: number } {
  return delay_ms === 0 ? {} : { delay_ms };
}

export function nameOf(layer: number, at: number): string {
  return `s${layer}_${at}`;
}

/** The same as the coordinator's definition. @param cache false: nothing of the result cache is asked or filled */
export function pipelineOf(layers: Layers, cache: boolean): { stages: object[] } {
  const stages = layers.flatMap((layer, depth) =>
    layer.map((ms, at) => ({
      name: nameOf(depth, at),
      agent_type: "instant",
      parallel: layer.length > 1,
      depends_on: (layers[depth - 1] ?? []).map((_, before) => nameOf(depth - 1, before)),
      config: configOf(ms),
      ...(cache ? {} : { cache }),
    })),
  );
  return { stages };
}
