// The names of units. A unit is what has tries, retries and a fallback of its own: a stage, or one item of a stage with
// `map`. Rules name it by a UnitName, which is also the end of its idempotency key.

/** `stage`, or `stage[3]` for the item at place 3. A stage's name has no brackets. */
export type UnitName = string;

interface UnitPlace {
  stage: string;
  /** Undefined where the unit is a stage. */
  item: number | undefined;
}

export function unitName(stage: string, item: number | undefined): UnitName {
  return item === undefined ? stage : `${stage}[${item}]`;
}

export function unitPlace(name: UnitName): UnitPlace {
  if (!name.endsWith("]")) return { stage: name, item: undefined };
  const at = name.lastIndexOf("[");
  return { stage: name.slice(0, at), item: Number(name.slice(at + 1, -1)) };
}
