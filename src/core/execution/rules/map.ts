// How a stage with `map` begins: its list is evaluated once and kept, and its items begin as there is room for them.
import { evaluateField, fieldMessage, type Meter } from "../../expressions/field.ts";
import { overField } from "../../pipeline/condition.ts";
import type { MapSpec, PipelineStage } from "../../../contract/stage.ts";
import type { Batch } from "./batch.ts";
import { contextLimit, endMap, failStage, fitsContext } from "./endings.ts";
import { scopeOf } from "./scope.ts";

/** @param meter what its expressions may cost */
export function beginMap(
  batch: Batch,
  { name, agent_type = null }: Pick<PipelineStage, "name"> & { agent_type?: string | null | undefined },
  map: MapSpec,
  meter: Meter,
): void {
  // A fallback is each item's: there are none.
  const fail = (code: string, message: string) => {
    failStage(batch, name, { code, message, retryable: false });
  };
  const before = meter.given;
  const list = evaluateField(overField(map.over), { ...scopeOf(batch.state) }, meter);
  if (!list.ok) {
    fail("INVALID_PIPELINE_CONFIG", fieldMessage(list.error));
    return;
  }
  const over = list.value;
  if (over.length > map.max_items) {
    fail("RESOURCE_EXHAUSTED", `map.over: ${over.length} items, and max_items is ${map.max_items}`);
    return;
  }
  const bytes = meter.given - before;
  if (!fitsContext(batch.state, bytes)) {
    fail(
      "RESOURCE_EXHAUSTED",
      `map.over: its list is ${bytes} bytes, of ${contextLimit(batch.state)} of the execution`,
    );
    return;
  }
  batch.emit({
    type: "stage.started",
    stage: name,
    status: "running",
    attempt: 1,
    message: `${name} started, ${over.length} items`,
    data: { agent_type, items: over.length },
    internal: { over: [...over], bytes },
  });
  if (over.length === 0) endMap(batch, name, null);
}
