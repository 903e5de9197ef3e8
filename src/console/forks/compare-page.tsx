// Two runs side by side: their stages with states and times, what they used, and each result that differs, line by line.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Execution } from "../../client/index.ts";
import { isRunOver } from "../../client/index.ts";
import { duration } from "../lib/format.ts";
import { route, to } from "../lib/route.ts";
import { client } from "../lib/session.ts";
import { Card, Empty, Failure, Status } from "../ui/parts.tsx";
import { diffJson } from "./line-diff.ts";
import { RunLink } from "./lineage.tsx";

type Pair = readonly [Execution, Execution];
type StageResult = Execution["stage_results"][string];

export function ComparePage() {
  const [left, right] = route.value.rest;
  if (left === undefined || right === undefined) {
    return (
      <Empty title="Which runs?">
        Open a run that was forked from another one: it leads here. All are listed under{" "}
        <a href={to("executions")}>Executions</a>.
      </Empty>
    );
  }
  return <Comparison key={`${left} ${right}`} left={left} right={right} />;
}

function Comparison({ left, right }: { left: string; right: string }) {
  const pair = useSignal<Pair | null>(null);
  const failure = useSignal<unknown>(null);
  const current = client();
  useEffect(() => {
    const leaving = new AbortController();
    const read = (id: string) => current.getExecution(id, { signal: leaving.signal });
    void (async () => {
      pair.value = await Promise.all([read(left), read(right)]);
      failure.value = null;
    })().catch((cause: unknown) => {
      if (!leaving.signal.aborted) failure.value = cause;
    });
    return () => leaving.abort();
  }, [left, right, current]);
  if (failure.value !== null) return <Failure cause={failure.value} />;
  if (pair.value === null) {
    return (
      <p class="quiet" role="status">
        Loading the runs
      </p>
    );
  }
  const [one, other] = pair.value;
  const names = [...new Set([...Object.keys(one.stage_results), ...Object.keys(other.stage_results)])];
  const isLive = pair.value.some(({ status }) => !isRunOver(status));
  return (
    <article class="compare" aria-label="Comparison">
      <h1>Two runs side by side</h1>
      {isLive && <p class="quiet">A run that has not ended is shown as it was when this page was opened.</p>}
      <div class="compare-runs">
        <Side name="Left" execution={one} />
        <Side name="Right" execution={other} />
      </div>
      <Card title="Stages" id="compare-stages">
        <div class="compare-scroll">
          <table aria-labelledby="compare-stages">
            <thead>
              <tr>
                <th scope="col">Stage</th>
                <th scope="col">Left</th>
                <th scope="col">Right</th>
              </tr>
            </thead>
            <tbody>
              {names.map((name) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <StageCell result={one.stage_results[name]} />
                  <StageCell result={other.stage_results[name]} />
                </tr>
              ))}
              <UsageRows one={one.usage} other={other.usage} />
            </tbody>
          </table>
        </div>
      </Card>
      <Card title="Results" id="compare-results">
        {one.query !== other.query && <Difference title="question" left={one.query} right={other.query} />}
        {names.map((name) => (
          <Difference
            key={name}
            title={name}
            left={one.stage_results[name]?.data ?? null}
            right={other.stage_results[name]?.data ?? null}
          />
        ))}
      </Card>
    </article>
  );
}

function Side({ name, execution }: { name: string; execution: Execution }) {
  const { execution_id, status, query, duration_ms, pipeline, pipeline_version } = execution;
  return (
    <section class="card" aria-label={`${name} run`}>
      <p class="compare-query">{query}</p>
      <p class="run-meta">
        <Status status={status} />
        {duration_ms !== null && <span class="tabular">{duration(duration_ms)}</span>}
        <span>
          {pipeline}, version {pipeline_version}
        </span>
        <RunLink id={execution_id} />
      </p>
    </section>
  );
}

function StageCell({ result }: { result: StageResult | undefined }) {
  if (result === undefined) return <td class="quiet">not in this run</td>;
  const { status, duration_ms, reused_from, cached } = result;
  const isReused = reused_from !== null && reused_from !== undefined;
  return (
    <td>
      <Status status={status} />{" "}
      <span class="quiet tabular">
        {isReused ? "taken over" : duration_ms === null ? "" : duration(duration_ms)}
        {cached && !isReused && ", from the cache"}
      </span>
    </td>
  );
}

function UsageRows({ one, other }: { one: Execution["usage"]; other: Execution["usage"] }) {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  const text = (value: unknown) =>
    value === undefined ? "–" : value === null ? "unknown" : JSON.stringify(value);
  return (
    <>
      {names.map((name) => (
        <tr key={name}>
          <th scope="row">
            <span class="quiet">used</span> {name}
          </th>
          <td class="tabular">{text(one[name])}</td>
          <td class="tabular">{text(other[name])}</td>
        </tr>
      ))}
    </>
  );
}

const MARKS = { both: " ", left: "−", right: "+", gap: "⋯" } as const;
const SPOKEN = { both: "", left: "only left: ", right: "only right: ", gap: "" } as const;

function Difference({ title, left, right }: { title: string; left: unknown; right: unknown }) {
  const lines = diffJson(left, right);
  if (lines.length === 0) {
    return (
      <p class="compare-same">
        <span class="result-name">{title}</span> <span class="quiet">is the same</span>
      </p>
    );
  }
  return (
    <details open>
      <summary>
        <span class="result-name">{title}</span> <span class="quiet">differs</span>
      </summary>
      <pre class="diff" tabIndex={0} aria-label={`Difference of ${title}`}>
        {lines.map(({ side, text }, at) => (
          <span key={at} class={`diff-${side}`}>
            <span aria-hidden="true">{MARKS[side]} </span>
            <span class="sr-only">{SPOKEN[side]}</span>
            {`${text}\n`}
          </span>
        ))}
      </pre>
    </details>
  );
}
