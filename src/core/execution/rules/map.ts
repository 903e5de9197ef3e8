// How a stage with `map` begins: its list is evaluated once and kept, and its items begin as there is room for them.
import { evaluateList } from "../../pipeline/condition.ts";
import type { MapSpec, PipelineStage, StageError } from "../../../contract/stage.ts";
import type { Meter } from "../../expressions/cel.ts";
import { jsonBytes } from "../../json/weight.ts";
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
    const error: StageError = { code, message: `map/over: ${message}`, retryable: false };
    failStage(batch, name, error, { uncalled: true });
  };
  const list = evaluateList(map.over, scopeOf(batch.state), meter);
  if (!list.ok) {
    fail("INVALID_PIPELINE_CONFIG", list.error);
    return;
  }
  const over = list.value;
  if (over.length > map.max_items) {
    fail("RESOURCE_EXHAUSTED", `${over.length} items, and max_items is ${map.max_items}`);
    return;
  }
  const bytes = jsonBytes(over);
  if (!fitsContext(batch.state, bytes)) {
    fail(
      "RESOURCE_EXHAUSTED",
      `its list is ${bytes} bytes, of ${contextLimit(batch.state)} of the execution`,
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
    internal: { over, bytes },
  });
  if (over.length === 0) endMap(batch, name, null);
}
