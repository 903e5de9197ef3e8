// A run that is paused because a budget is spent: what was spent, by stage, what the rest is expected to cost, and the form
// that raises the budget. A budget of the configuration cannot be raised here: such a run is only resumed.
import "../style/budget.css";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { RunBudget, RunView, StageView } from "../../client/index.ts";
import { costText, limitText, raisedBudget, tokensText } from "../../contract/cost.ts";
import { Bars } from "../health/charts.tsx";
import { plural } from "../lib/format.ts";
import { client } from "../lib/session.ts";
import { Card, Failure } from "../ui/parts.tsx";
import { type Prediction, predictRest } from "./prediction.ts";

/** A day: the longest that metrics look back. */
const WINDOW_SECONDS = 86_400;

export function Budget({ runView }: { runView: RunView }) {
  const prediction = usePrediction(runView);
  const { budget } = runView;
  if (budget === null) return null;
  const { scope } = budget;
  const title = scope === null ? "The budget of this run is spent" : `The budget of ${scope} is spent`;
  return (
    <Card title={title} id="budget-title">
      <div class="budget">
        <div class="budget-facts">
          <Spent budget={budget} />
          <p class="quiet small">
            The run is paused: calls that were in flight have finished, and no further one is made.
          </p>
          {scope !== null && <h3 class="budget-rest">Of that, this run</h3>}
          <ByStage budget={budget} stages={runView.stages} />
        </div>
        <div class="budget-way">
          <Rest prediction={prediction.value} pipeline={runView.pipeline} />
          {scope === null ? (
            <Raise runView={runView} budget={budget} rest={prediction.value} />
          ) : (
            <GoOn execution_id={runView.execution_id} scope={scope} />
          )}
        </div>
      </div>
    </Card>
  );
}

/** Dollars first, where they are bounded; then tokens. */
function Spent({ budget: { spent, limit, scope } }: { budget: RunBudget }) {
  const of = (max: string | null) => (max === null ? "" : `of ${max}`);
  const dollars = of(limit.cost_usd === undefined ? null : costText(limit.cost_usd));
  const tokens = `${spent.tokens.toLocaleString()} ${of(limit.tokens?.toLocaleString() ?? null)} tokens`;
  return dollars === "" ? (
    <>
      <p class="figure">
        {spent.tokens.toLocaleString()} <span>{of(limitText(limit))}</span>
      </p>
      <p>Cost {costText(spent.cost_usd)}</p>
    </>
  ) : (
    <>
      <p class="figure">
        {costText(spent.cost_usd)} <span>{dollars}</span>
      </p>
      <p>{scope === null ? tokens : "by all runs in its scope, within its period"}</p>
    </>
  );
}

/** What the stages that have not ended are expected to cost; null without a recorded run. */
function usePrediction({ budget, pipeline, stages }: RunView) {
  const prediction = useSignal<Prediction | null | undefined>(undefined);
  const current = client();
  useEffect(() => {
    if (budget === null) return undefined;
    const leaving = new AbortController();
    const window = { pipeline, window_seconds: WINDOW_SECONDS };
    void current
      .getPerformanceMetrics(window, { signal: leaving.signal })
      .then((metrics) => {
        prediction.value = predictRest(metrics, stages);
      })
      .catch(() => {
        prediction.value = null;
      });
    return () => leaving.abort();
  }, [budget, pipeline, current]);
  return prediction;
}

function ByStage({
  budget: { by_stage, limit },
  stages,
}: {
  budget: RunBudget;
  stages: readonly StageView[];
}) {
  const inDollars = limit.cost_usd !== undefined;
  const rows = stages.flatMap(({ name }) => {
    const spent = by_stage[name];
    if (spent === undefined) return [];
    const value = inDollars ? (spent.cost_usd ?? 0) : spent.tokens;
    const text = inDollars ? costText(spent.cost_usd) : spent.tokens.toLocaleString();
    return [{ name, value, text, ...(inDollars ? { note: tokensText(spent.tokens) } : {}) }];
  });
  return rows.length === 0 ? null : <Bars label="Spent by stage" rows={rows} />;
}

function Rest({ prediction, pipeline }: { prediction: Prediction | null | undefined; pipeline: string }) {
  if (prediction === undefined) {
    return (
      <p class="quiet small" role="status">
        Reading what recorded runs of {pipeline} have cost
      </p>
    );
  }
  if (prediction === null) {
    return (
      <p class="quiet small" role="status">
        What the rest will cost is not known: no recorded run of {pipeline} has a cost for the stages that are
        left.
      </p>
    );
  }
  const { p50_usd, p95_usd, runs } = prediction;
  return (
    <div role="status">
      <h3 class="budget-rest">What the rest will cost</h3>
      <dl class="budget-quantiles">
        <div>
          <dt>p50</dt>
          <dd>{costText(p50_usd)}</dd>
        </div>
        <div>
          <dt>p95</dt>
          <dd>{costText(p95_usd)}</dd>
        </div>
      </dl>
      <p class="quiet small">
        From {plural(runs, "recorded run")} of {pipeline}: half of them took no more than p50, and 95 of 100
        no more than p95.
      </p>
    </div>
  );
}

interface RaiseProps {
  runView: RunView;
  budget: RunBudget;
  rest: Prediction | null | undefined;
}

const FIELDS = {
  cost_usd: { label: "New budget in US dollars", inputMode: "decimal" },
  tokens: { label: "New budget in tokens", inputMode: "numeric" },
} as const;

function Raise({ runView: { execution_id }, budget: { spent, limit }, rest }: RaiseProps) {
  const suggested = raisedBudget(spent, limit, rest == null ? {} : { cost_usd: rest.p95_usd });
  const names = (["cost_usd", "tokens"] as const).filter((name) => suggested[name] !== undefined);
  // What was typed stays where the prediction comes later, and a suggestion does not.
  const texts = useSignal<Readonly<Record<string, string>>>({});
  const { busy, failure, act } = useAct();
  const textOf = (name: keyof typeof FIELDS) => texts.value[name] ?? String(suggested[name]);
  const faults = names.flatMap((name) => {
    const fault = faultOf(name, textOf(name));
    return fault === null ? [] : [{ name, fault }];
  });
  return (
    <form
      class="budget-form"
      aria-label="Raise the budget"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        const [first] = faults;
        if (first !== undefined) {
          document.getElementById(`budget-${first.name}`)?.focus();
          return;
        }
        const budget = Object.fromEntries(names.map((name) => [name, Number(textOf(name))]));
        act(() => client().resumeExecution(execution_id, { budget }));
      }}
    >
      {names.map((name) => {
        const fault = faults.find((each) => each.name === name)?.fault ?? "";
        return (
          <div key={name} class="field">
            <label for={`budget-${name}`}>{FIELDS[name].label}</label>
            <input
              id={`budget-${name}`}
              type="text"
              autocomplete="off"
              inputMode={FIELDS[name].inputMode}
              aria-invalid={fault !== ""}
              aria-describedby={`budget-${name}-fault`}
              value={textOf(name)}
              onInput={(event) => {
                texts.value = { ...texts.value, [name]: event.currentTarget.value };
              }}
            />
            <p id={`budget-${name}-fault`} class="bad small" aria-live="polite">
              {fault}
            </p>
          </div>
        );
      })}
      <button type="submit" class="primary" disabled={busy}>
        {busy ? "Raising" : "Raise and resume"}
      </button>
      {failure !== null && <Failure cause={failure} />}
    </form>
  );
}

/** Why a text is no amount of a budget; null where it is one. */
function faultOf(name: keyof typeof FIELDS, text: string): string | null {
  const amount = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(amount) || amount <= 0) return "Enter a number above 0.";
  return name === "tokens" && !Number.isInteger(amount) ? "Enter a whole number of tokens." : null;
}

function GoOn({ execution_id, scope }: { execution_id: string; scope: string }) {
  const { busy, failure, act } = useAct();
  return (
    <div class="budget-form">
      <p>
        It is one of the configuration’s <code>budgets</code>, and bounds all runs of {scope} together. Resume
        the run once there is room in it: a run keeps the configuration with which it was started.
      </p>
      <button
        type="button"
        class="primary"
        disabled={busy}
        onClick={() => act(() => client().resumeExecution(execution_id))}
      >
        {busy ? "Resuming" : "Resume"}
      </button>
      {failure !== null && <Failure cause={failure} />}
    </div>
  );
}

/** One request at a time; its effect shows in the run's events, a refusal here. */
function useAct() {
  const busy = useSignal(false);
  const failure = useSignal<unknown>(null);
  const act = (request: () => Promise<unknown>) => {
    if (busy.value) return;
    busy.value = true;
    failure.value = null;
    void request()
      .then(() => {
        // The form goes with the pause: a keyboard goes on at the run.
        document.getElementById("main")?.focus({ preventScroll: true });
      })
      .catch((cause: unknown) => {
        failure.value = cause;
      })
      .finally(() => {
        busy.value = false;
      });
  };
  return { busy: busy.value, failure: failure.value, act };
}
