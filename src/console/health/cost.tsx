// What the executions of the window have cost: over time, and by pipeline, stage and model.
import type { Metrics } from "../../client/index.ts";
import { costText, tokensText } from "../../contract/cost.ts";
import { Card } from "../ui/parts.tsx";
import { Bars, CostOverTime } from "./charts.tsx";
import type { Bucket } from "./health-data.ts";

/** Rows of one list; the rest is summed up. */
const ROWS = 8;

export function Cost({ metrics, buckets }: { metrics: Metrics; buckets: readonly Bucket[] }) {
  const { cost, stage_metrics } = metrics;
  const isUnused = (cost.total_usd ?? 1) === 0 && cost.unpriced_tokens === 0;
  const stages = Object.entries(stage_metrics).map(([name, { cost_usd }]) => [name, cost_usd] as const);
  const models = Object.entries(cost.by_model).map(([name, { cost_usd }]) => [name, cost_usd] as const);
  return (
    <Card title="Cost" id="cost-title">
      {isUnused ? (
        <p class="quiet">
          No execution of this window has a cost. It is known where agents report a <code>usage</code> with
          its
          <code> cost_usd</code>, or with a model that has a price in the configuration’s <code>prices</code>.
        </p>
      ) : (
        <div class="health-columns cost">
          <div>
            <p class="figure">{costText(cost.total_usd)}</p>
            <CostOverTime buckets={buckets} />
            {cost.unpriced_tokens > 0 && (
              <p class="quiet small outcome">
                {cost.total_usd === null ? "For" : "And"} {tokensText(cost.unpriced_tokens)} of models without
                a price
              </p>
            )}
          </div>
          <Part title="By pipeline" of={Object.entries(cost.by_pipeline)} />
          <Part title="By stage" of={stages} />
          <Part title="By model" of={models} />
        </div>
      )}
    </Card>
  );
}

/** The most expensive first; one whose cost is not known is in it without a bar. */
function Part({ title, of }: { title: string; of: readonly (readonly [string, number | null])[] }) {
  const all = of.filter(([, usd]) => usd !== 0).toSorted(([, a], [, b]) => (b ?? 0) - (a ?? 0));
  if (all.length === 0) return null;
  const rest = all.slice(ROWS);
  const sum = rest.reduce((total, [, usd]) => total + (usd ?? 0), 0);
  const shown = rest.length === 0 ? all : [...all.slice(0, ROWS), [`${rest.length} others`, sum] as const];
  return (
    <section>
      <h3 class="cost-part">{title}</h3>
      <Bars
        label={`Cost ${title.toLowerCase()}`}
        rows={shown.map(([name, usd]) => ({
          name: name === "" ? "not named" : name,
          value: usd ?? 0,
          text: costText(usd),
        }))}
      />
    </section>
  );
}
