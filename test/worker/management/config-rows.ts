// A row for each key of CoordinatorConfig: patches that differ in it, and what differs between runs under them.
import type { Observations } from "./config-observations.ts";

interface Row {
  /** A patch, what is observed under it, and what is to be seen. */
  cases: readonly (readonly [
    patch: Record<string, unknown>,
    observe: () => Promise<unknown>,
    expected: unknown,
  ])[];
}

/** What has ended an execution, or its status where nothing has. */
const limits = (execution: Awaited<ReturnType<Observations["run"]>>) =>
  execution.error_info?.code ?? execution.status;

function touchy(failure_threshold: number) {
  return { circuit_breaker: { failure_threshold }, max_retry_attempts: 1 };
}

export function rowsOf(seen: Observations): Record<string, Row> {
  return {
    max_concurrent_stages: {
      cases: [
        [{ max_concurrent_stages: 2 }, seen.widest, 2],
        [{ max_concurrent_stages: 4 }, seen.widest, 4],
      ],
    },
    enable_parallel_execution: {
      cases: [
        [{ enable_parallel_execution: false }, seen.widest, 1],
        [{ enable_parallel_execution: true }, seen.widest, 3],
      ],
    },
    stage_timeout_seconds: {
      cases: [
        [
          { stage_timeout_seconds: 0.15, max_retry_attempts: 1 },
          async () => limits(await seen.run("hangs")),
          "STAGE_TIMEOUT",
        ],
        [
          { stage_timeout_seconds: 5, pipeline_timeout_seconds: 0.4 },
          async () => limits(await seen.run("hangs")),
          "PIPELINE_TIMEOUT",
        ],
      ],
    },
    pipeline_timeout_seconds: {
      cases: [
        [{ pipeline_timeout_seconds: 0.02 }, async () => limits(await seen.run("quick")), "PIPELINE_TIMEOUT"],
        [{ pipeline_timeout_seconds: 5 }, async () => limits(await seen.run("quick")), "completed"],
      ],
    },
    max_retry_attempts: {
      cases: [
        [{ max_retry_attempts: 1 }, async () => (await seen.failing()).stage_results.only.attempts, 1],
        [{ max_retry_attempts: 4 }, async () => (await seen.failing()).stage_results.only.attempts, 4],
      ],
    },
    retry_delay_seconds: {
      cases: [
        [
          { retry_delay_seconds: 0, max_retry_attempts: 6 },
          async () => Math.max(...(await seen.delays())),
          0,
        ],
        [
          { retry_delay_seconds: 0.1, retry_backoff_factor: 1, max_retry_attempts: 6 },
          async () => Math.max(...(await seen.delays())) > 0,
          true,
        ],
      ],
    },
    retry_backoff_factor: {
      cases: [
        // Drawn uniformly up to 1 ms · factor^(n-1): without growth none can pass 1 ms, with it six all but surely do.
        [
          { retry_delay_seconds: 0.001, retry_backoff_factor: 1, max_retry_attempts: 7 },
          async () => Math.max(...(await seen.delays())) <= 1,
          true,
        ],
        [
          { retry_delay_seconds: 0.001, retry_backoff_factor: 4, max_retry_attempts: 7 },
          async () => Math.max(...(await seen.delays())) > 1,
          true,
        ],
      ],
    },
    memory_limit_mb: {
      cases: [
        [{ memory_limit_mb: 0.01 }, async () => limits(await seen.run("large")), "RESOURCE_EXHAUSTED"],
        [{ memory_limit_mb: 1 }, async () => limits(await seen.run("large")), "completed"],
      ],
    },
    enable_context_persistence: {
      cases: [
        [{ enable_context_persistence: false }, seen.evicted, 404],
        [{ enable_context_persistence: true }, seen.evicted, 200],
      ],
    },
    context_storage_backend: {
      cases: [
        [{ context_storage_backend: "memory" }, seen.evicted, 404],
        [{ context_storage_backend: "durable_object" }, seen.evicted, 200],
      ],
    },
    enable_state_recovery: {
      cases: [
        [{ enable_state_recovery: false }, seen.afterCrash, "failed"],
        [{ enable_state_recovery: true }, seen.afterCrash, "completed"],
      ],
    },
    max_pause_seconds: {
      cases: [
        [{ max_pause_seconds: 0.2 }, () => seen.pausedFor(600), "cancelled"],
        [{ max_pause_seconds: 60 }, () => seen.pausedFor(600), "paused"],
      ],
    },
    enable_metrics_collection: {
      cases: [
        [{ enable_metrics_collection: true }, seen.countedRuns, 1],
        [{ enable_metrics_collection: false }, seen.countedRuns, 0],
      ],
    },
    enable_performance_monitoring: {
      cases: [
        [{ enable_performance_monitoring: true, enable_caching: false }, seen.bottlenecks, 1],
        [{ enable_performance_monitoring: false, enable_caching: false }, seen.bottlenecks, 0],
      ],
    },
    alert_thresholds: {
      cases: [
        [{ alert_thresholds: { avg_execution_time_ms: 1 } }, seen.slowAlert, true],
        [{ alert_thresholds: { avg_execution_time_ms: 1_000_000 } }, seen.slowAlert, false],
      ],
    },
    enable_detailed_logging: {
      cases: [
        [
          { enable_detailed_logging: true, log_level: "INFO", max_retry_attempts: 1 },
          seen.logged,
          // execution.started, stage.started, stage.failed, execution.failed
          ["INFO", "INFO", "ERROR", "ERROR"],
        ],
        [{ enable_detailed_logging: false, log_level: "INFO", max_retry_attempts: 1 }, seen.logged, []],
      ],
    },
    log_level: {
      cases: [
        [
          { log_level: "DEBUG", max_retry_attempts: 1 },
          seen.logged,
          ["DEBUG", "INFO", "INFO", "ERROR", "ERROR"],
        ],
        [{ log_level: "WARN", max_retry_attempts: 2 }, seen.logged, ["WARN", "ERROR", "ERROR"]],
        [{ log_level: "ERROR", max_retry_attempts: 2 }, seen.logged, ["ERROR", "ERROR"]],
      ],
    },
    enable_circuit_breaker: {
      cases: [
        [{ enable_circuit_breaker: false, ...touchy(1) }, seen.callsOfFailing, 4],
        [{ enable_circuit_breaker: true, ...touchy(1) }, seen.callsOfFailing, 1],
      ],
    },
    circuit_breaker: {
      cases: [
        [{ enable_circuit_breaker: true, ...touchy(3) }, seen.callsOfFailing, 3],
        [{ enable_circuit_breaker: true, ...touchy(2) }, seen.callsOfFailing, 2],
      ],
    },
    enable_caching: {
      cases: [
        [{ enable_caching: true }, seen.askedTwice, 1],
        [{ enable_caching: false }, seen.askedTwice, 2],
      ],
    },
    cache_ttl_seconds: {
      cases: [
        [{ enable_caching: true, cache_ttl_seconds: 60 }, seen.askedTwice, 1],
        [{ enable_caching: true, cache_ttl_seconds: 0.001 }, seen.askedTwice, 2],
      ],
    },
    fallback_strategies: {
      cases: [
        [
          { fallback_strategies: { only: { strategy: "use_default", data: {} } } },
          seen.fallenBack,
          "use_default",
        ],
        [{ fallback_strategies: { other: { strategy: "use_default", data: {} } } }, seen.fallenBack, null],
      ],
    },
    context_memory_size: {
      cases: [
        [{ context_memory_size: 1 }, seen.remembered, 1],
        [{ context_memory_size: 3 }, seen.remembered, 3],
        [{ context_memory_size: 0 }, seen.remembered, 0],
      ],
    },
    on_busy: {
      cases: [
        [{ on_busy: "parallel" }, seen.askedMeanwhile, "running"],
        [{ on_busy: "reject" }, seen.askedMeanwhile, "CONVERSATION_BUSY"],
        [{ on_busy: "queue" }, seen.askedMeanwhile, "queued"],
        [{ on_busy: "interrupt" }, seen.askedMeanwhile, "running, the first cancelled"],
      ],
    },
    prices: {
      cases: [
        [{ prices: { m: { input_per_million: 2, output_per_million: 0 } } }, seen.cost, 2],
        [{ prices: { m: { input_per_million: 0, output_per_million: 0 } } }, seen.cost, 0],
        [{ prices: {} }, seen.cost, null],
      ],
    },
    retention_seconds: {
      cases: [
        [{ retention_seconds: 1 }, () => seen.keptFor(1_300), 404],
        [{ retention_seconds: 60 }, () => seen.keptFor(1_300), 200],
      ],
    },
  };
}
