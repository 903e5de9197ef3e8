// The Health page: alerts first, then throughput, success, bottlenecks and the agents.
import { useEffect, useMemo } from "preact/hooks";
import type { Agent, Alert, Metrics } from "../../client/index.ts";
import { costText } from "../../contract/cost.ts";
import { duration, moment, percent, plural, words } from "../lib/format.ts";
import { refine, route, to } from "../lib/route.ts";
import { client } from "../lib/session.ts";
import { Card, Empty, Failure } from "../ui/parts.tsx";
import { Bars, Share, Throughput } from "./charts.tsx";
import { Cost } from "./cost.tsx";
import { type Bucket, createHealthData } from "./health-data.ts";

const WINDOWS = [
  [900, "15 minutes"],
  [3_600, "1 hour"],
  [86_400, "24 hours"],
] as const;

export function HealthPage() {
  const asked = Number(route.value.query.get("window"));
  const [window_seconds] = WINDOWS.find(([seconds]) => seconds === asked) ?? WINDOWS[1];
  const current = client();
  const source = useMemo(() => createHealthData(window_seconds), [window_seconds, current]);
  useEffect(() => source.stop, [source]);
  const health = source.health.value;
  return (
    <>
      <div class="page-head">
        <h1>Health</h1>
        <label class="inline-field">
          <span>The last</span>
          <select
            value={String(window_seconds)}
            onChange={(event) => refine({ window: event.currentTarget.value })}
          >
            {WINDOWS.map(([seconds, name]) => (
              <option key={seconds} value={String(seconds)}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      {source.failure.value !== null && <Failure cause={source.failure.value} />}
      {health === null && source.failure.value === null && (
        <p class="quiet" role="status">
          Loading the metrics
        </p>
      )}
      {health !== null && (
        <div class="health">
          <Alerts alerts={health.alerts} />
          {health.metrics === null ? (
            <Empty title="No metrics">
              This coordinator does not provide <code>GET /v1/metrics</code>. Update it to see them here.
            </Empty>
          ) : (
            <Overview metrics={health.metrics} alerts={health.alerts} buckets={health.buckets} />
          )}
          <Agents agents={health.agents} />
        </div>
      )}
    </>
  );
}

function Alerts({ alerts }: { alerts: readonly Alert[] }) {
  const firing = alerts.filter((alert) => alert.firing);
  if (alerts.length === 0) return null;
  if (firing.length === 0) {
    return (
      <p class="all-well" role="status">
        All {plural(alerts.length, "threshold")} are kept.
      </p>
    );
  }
  return (
    <div role="alert">
      <ul class="alerts" aria-label="Alerts">
        {firing.map((alert) => (
          <li key={`${alert.name} ${alert.stage ?? ""}`} class="trouble">
            <strong>
              {ALERTS[alert.name] ?? words(alert.name)}
              {alert.stage !== undefined && ` in ${alert.stage}`}
            </strong>
            <p>
              {alert.value === null ? "unknown" : formatValue(alert.name, alert.value)}, threshold{" "}
              {formatValue(alert.name, alert.threshold)}
              {alert.since !== null && `, since ${moment(alert.since)}`}
            </p>
          </li>
        ))}
      </ul>
    </div>
  );
}

const ALERTS: Readonly<Record<string, string>> = {
  execution_success_rate: "Low success rate",
  avg_execution_time_ms: "High average duration",
  stage_error_rate: "High error rate",
  concurrent_executions: "Many concurrent executions",
  memory_usage_mb: "High memory use of a run",
  wait_age_seconds: "A question is open for long",
  cost_usd_per_hour: "High cost of an hour’s runs",
};

/** An alert's value in its own unit. */
function formatValue(name: string, value: number): string {
  if (name.startsWith("cost_usd")) return costText(value);
  if (name.endsWith("_rate")) return percent(value);
  if (name.endsWith("_ms")) return duration(value);
  if (name.endsWith("_seconds")) return duration(1_000 * value);
  if (name.endsWith("_mb")) return `${value.toFixed(1)} MB`;
  return String(value);
}

function Overview({
  metrics,
  alerts,
  buckets,
}: {
  metrics: Metrics;
  alerts: readonly Alert[];
  buckets: readonly Bucket[];
}) {
  const { execution_metrics: all, stage_metrics, performance_analytics } = metrics;
  const wanted = alerts.find(({ name }) => name === "execution_success_rate")?.threshold ?? null;
  if (all.total_executions === 0) {
    return (
      <Empty title="No executions ended in this window">
        Choose a longer one, or <a href={to("run")}>ask a question</a>: its metrics appear here within
        seconds.
      </Empty>
    );
  }
  return (
    <>
      <div class="health-columns">
        <Card
          title="Throughput"
          id="throughput-title"
          aside={<span class="quiet small">{all.concurrent_executions} running now</span>}
        >
          <p class="figure">
            {all.total_executions.toLocaleString()}{" "}
            <span>{all.total_executions === 1 ? "execution" : "executions"}</span>
          </p>
          <Throughput buckets={buckets} />
        </Card>
        <Card title="Success rate" id="success-title">
          <p class="figure">{percent(all.success_rate)}</p>
          <Share value={all.success_rate} wanted={wanted} />
          <p class="quiet small outcome">
            {plural(all.successful_executions, "completed", "completed")}, {all.failed_executions} failed,{" "}
            {all.cancelled_executions} cancelled{wanted !== null && `; target ${percent(wanted)}`}
          </p>
        </Card>
        <Card title="Duration" id="duration-title">
          <Bars
            label="Quantiles of the duration"
            rows={[
              { name: "p50", value: all.p50_duration_ms, text: duration(all.p50_duration_ms) },
              {
                name: "p95",
                value: all.p95_duration_ms,
                text: duration(all.p95_duration_ms),
                tone: "soft",
              },
              {
                name: "p99",
                value: all.p99_duration_ms,
                text: duration(all.p99_duration_ms),
                tone: "soft",
              },
              {
                name: "average",
                value: all.average_duration_ms,
                text: duration(all.average_duration_ms),
                tone: "soft",
              },
            ]}
          />
        </Card>
        <Card title="Bottlenecks" id="bottlenecks-title">
          <Bottlenecks analytics={performance_analytics} />
        </Card>
      </div>
      <Cost metrics={metrics} buckets={buckets} />
      <Card title="Stages" id="stages-title">
        <Stages stages={stage_metrics} />
      </Card>
    </>
  );
}

function Bottlenecks({ analytics }: { analytics: Metrics["performance_analytics"] }) {
  const { bottlenecks } = analytics;
  if (bottlenecks.length === 0) return <p class="quiet">No bottlenecks found.</p>;
  return (
    <Bars
      label="Share of the critical path by stage"
      rows={bottlenecks.map(({ stage, impact_score, impact, cause, recommendation }) => ({
        name: stage,
        value: impact_score,
        text: percent(impact_score),
        ...(impact === "high" ? {} : { tone: "soft" as const }),
        note: `${sentence(cause)} ${sentence(recommendation)}`,
      }))}
    />
  );
}

function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

function Stages({ stages }: { stages: Metrics["stage_metrics"] }) {
  return (
    <div class="table-room" tabIndex={0} role="region" aria-labelledby="stages-title">
      <table>
        <thead>
          <tr>
            <th scope="col">Stage</th>
            <th scope="col">Runs</th>
            <th scope="col">Average</th>
            <th scope="col">p95</th>
            <th scope="col">Errors</th>
            <th scope="col">Retries</th>
            <th scope="col">Cache hits</th>
            <th scope="col">Cost</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(stages).map(([name, stage]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{stage.executions}</td>
              <td>{duration(stage.avg_duration_ms)}</td>
              <td>{duration(stage.p95_duration_ms)}</td>
              <td class={stage.error_rate > 0 ? "bad" : ""}>{percent(stage.error_rate)}</td>
              <td>{stage.retries}</td>
              <td>{stage.cache_hits}</td>
              <td>{stage.cost_usd === 0 ? "–" : costText(stage.cost_usd)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const BREAKER = { closed: "closed", open: "open", half_open: "half open" } as const;

/** `4 calls at once, 100 calls in 60 s`. */
function limitsText({ concurrency, rate }: NonNullable<Agent["limits"]>): string {
  return [
    concurrency === undefined ? [] : `${plural(concurrency, "call")} at once`,
    rate === undefined ? [] : `${plural(rate.calls, "call")} in ${rate.per_seconds} s`,
  ]
    .flat()
    .join(", ");
}

function Agents({ agents }: { agents: readonly Agent[] }) {
  return (
    <Card title="Agents" id="agents-title">
      {agents.length === 0 ? (
        <Empty title="No agents registered">
          Register one with <code>PUT /v1/agents/NAME</code> and a URL; stages then name it as their
          agent_type.
        </Empty>
      ) : (
        <ul class="agents">
          {agents.map(({ agent_type, url, binding, path, limits, breaker }) => (
            <li key={agent_type}>
              <span class="agent-name">
                {agent_type}
                {limits !== undefined && <span class="quiet small agent-limits">{limitsText(limits)}</span>}
              </span>
              <span class="mono quiet agent-place">{url ?? `${binding ?? ""}${path ?? ""}`}</span>
              <span class={`breaker is-${breaker.state}`}>
                breaker {BREAKER[breaker.state]}
                {breaker.failures > 0 && `, ${plural(breaker.failures, "failure")} in a row`}
                {breaker.state === "open" &&
                  breaker.retry_at !== null &&
                  `, next call allowed ${moment(breaker.retry_at)}`}
              </span>
              {breaker.last_failure !== undefined && (
                <span class="mono quiet last-failure">last failure: {breaker.last_failure}</span>
              )}
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
