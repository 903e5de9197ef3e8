// The run: the question, the graph, the timeline, the answer and the details. The URL names the execution;
// everything else is read from the coordinator, so that a reload or a second window shows the same.
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { costOf, usageCostText } from "../../contract/cost.ts";
import { cutText } from "../../contract/text.ts";
import { useNow } from "../lib/clock.ts";
import { errorWords } from "../lib/errors.ts";
import { duration, moment, seconds } from "../lib/format.ts";
import { client, isCut } from "../lib/session.ts";
import { route, to } from "../lib/route.ts";
import { Card, Empty, Failure, Status, ErrorBox } from "../ui/parts.tsx";
import { Answer } from "./answer.tsx";
import { Ask } from "./ask.tsx";
import { Controls } from "./controls.tsx";
import { Details } from "./details.tsx";
import { Graph } from "./graph.tsx";
import { type Execution, isRunOver, pendingStage, type RunView } from "../../client/index.ts";
import { ForkButtons } from "../forks/fork-buttons.tsx";
import type { ForkIntent } from "../forks/fork-panel.tsx";
import { Lineage } from "../forks/lineage.tsx";
import { Timeline } from "./timeline.tsx";
import { createWatch } from "./watch.ts";
import { lazyPage } from "../ui/lazy-page.tsx";

/** With what is asked of a fork, which few runs need. */
const ForkPanel = lazyPage(async () => (await import("../forks/fork-panel.tsx")).ForkPanel);

/** With the prediction of costs, which only a run needs whose budget is spent. */
const Budget = lazyPage(async () => (await import("../budget/panel.tsx")).Budget);

/** With the schemas' code, which only a run that asks needs. */
const Question = lazyPage(async () => (await import("../waits/question.tsx")).Question);

export function RunPage() {
  const [id, tab] = route.value.rest;
  return (
    <>
      <Ask focus={id === undefined} />
      {id === undefined ? <StartPage /> : <Run key={id} id={id} tab={tab ?? "results"} />}
    </>
  );
}

/** Before the first question: what is going to happen. */
function StartPage() {
  const stages = useSignal<Parameters<typeof pendingStage>[0][]>([]);
  const failure = useSignal<unknown>(null);
  const current = client();
  useEffect(() => {
    void (async () => {
      stages.value = (await current.getPipelineConfig("rag")).stages;
      failure.value = null;
    })().catch((cause: unknown) => {
      failure.value = cause;
    });
  }, [current, isCut.value]);
  return (
    <>
      {failure.value !== null && <Failure cause={failure.value} />}
      {stages.value.length > 0 && (
        <Card title="What will run" id="graph-title">
          <Graph stages={stages.value.map(pendingStage)} runView={null} selected={null} onSelect={() => {}} />
        </Card>
      )}
      <Empty title="No run yet">
        Ask a question above. Its stages light up here as they run, with a timeline below them and the answer
        as it is written. Earlier runs are listed under <a href={to("executions")}>Executions</a>.
      </Empty>
    </>
  );
}

function Run({ id, tab }: { id: string; tab: string }) {
  const current = client();
  const watch = useMemo(() => createWatch(id), [id, current]);
  useEffect(() => watch.stop, [watch]);
  const selected = useSignal<string | null>(null);
  const intent = useSignal<ForkIntent | null>(null);
  const runView = watch.runView.value;
  useEffect(() => {
    document.title =
      runView === null ? "Agent Coordinator" : `${runView.status}: ${cutText(runView.query, 60)}`;
    return () => {
      document.title = "Agent Coordinator";
    };
  }, [runView?.status, runView?.query]);
  if (watch.failure.value !== null) {
    return (
      <Failure cause={watch.failure.value}>
        <p>
          <a href={to("executions")}>See all executions</a>
        </p>
      </Failure>
    );
  }
  if (runView === null) return <Loading />;
  const select = (stage: string) => {
    selected.value = selected.value === stage ? null : stage;
  };
  return (
    <article class="run" aria-label="Run" data-status={runView.status}>
      <Heading
        runView={runView}
        parent={watch.parent.value}
        onFork={(wanted) => {
          intent.value = wanted;
        }}
      />
      <RunError runView={runView} />
      {runView.budget !== null && <Budget runView={runView} />}
      {intent.value !== null && (
        <ForkPanel
          key={JSON.stringify(intent.value)}
          runView={runView}
          intent={intent.value}
          onClose={() => {
            intent.value = null;
          }}
        />
      )}
      {runView.stages
        .filter(({ wait }) => wait?.reason === "wait")
        .map((stage) => (
          <Question key={stage.name} execution_id={runView.execution_id} stage={stage} />
        ))}
      <Card title="Stages" id="graph-title">
        <Graph stages={runView.stages} runView={runView} selected={selected.value} onSelect={select} />
      </Card>
      <div class="run-columns">
        <Answer runView={runView} />
        <Card title="Timeline" id="timeline-title">
          <Timeline runView={runView} onSelect={select} />
        </Card>
      </div>
      <Details
        runView={runView}
        tab={tab}
        selected={selected.value}
        onSelect={select}
        onRunFrom={(stage) => {
          intent.value = { kind: "from", stage };
        }}
      />
    </article>
  );
}

function Loading() {
  return (
    <p class="quiet" role="status">
      {isCut.value
        ? "No connection. The run appears as soon as the coordinator responds."
        : "Loading the run"}
    </p>
  );
}

function Heading({
  runView,
  parent,
  onFork,
}: {
  runView: RunView;
  parent: Execution["parent"];
  onFork: (intent: ForkIntent) => void;
}) {
  return (
    <header class="run-head">
      <div class="run-words">
        <h1>{runView.query}</h1>
        <p class="run-meta">
          <span role="status" aria-label={`The run is ${runView.status}`}>
            <Status status={runView.status} />
          </span>
          <Elapsed runView={runView} />
          <Cost runView={runView} />
          <span>{runView.pipeline}</span>
          <span>{moment(new Date(runView.started_at).toISOString())}</span>
          <span class="mono run-id">{runView.execution_id}</span>
        </p>
        <Lineage runView={runView} parent={parent} />
      </div>
      <div class="run-verbs">
        <Controls runView={runView} />
        <ForkButtons runView={runView} onFork={onFork} />
      </div>
    </header>
  );
}

function Elapsed({ runView }: { runView: RunView }) {
  const now = useNow(!isRunOver(runView.status));
  const { started_at, ended_at } = runView;
  return (
    <span class="tabular">
      {ended_at === null ? seconds(now - started_at) : duration(ended_at - started_at)}
    </span>
  );
}

/** What the run has cost so far, where anything is known of that. */
function Cost({ runView: { usage, budget } }: { runView: RunView }) {
  // A stage that has not ended has spent, too.
  const spent = budget === null || budget.scope !== null ? usage : { cost_usd: budget.spent.cost_usd };
  return costOf(spent) === undefined ? null : (
    <span class="tabular">
      <span class="sr-only">cost </span>
      {usageCostText(spent)}
    </span>
  );
}

/** Why a run failed, in words. */
function RunError({ runView }: { runView: RunView }) {
  const error = runView.execution?.error_info;
  if (error === null || error === undefined) return null;
  const { title, advice } = errorWords(error.code);
  const where = error.failed_stage === null ? "" : ` in ${error.failed_stage}`;
  const tries = error.retry_attempts > 1 ? ` after ${error.retry_attempts} tries` : "";
  return (
    <ErrorBox
      notice={{ title: `${title}${where}${tries}`, advice, code: error.code, detail: error.message }}
    />
  );
}
