// The webhook's events and schedule.
import { describe, expect, test } from "vitest";
import {
  executionEvent,
  nextTry,
  parseEvents,
  RETRY_AFTER_MS,
  webhookMediaType,
  webhookPayload,
} from "../../../src/core/monitoring/webhook.ts";

describe("the webhook", () => {
  const failed = { status: 500, retry_after_ms: null };

  test("follows the standard's schedule, stretched by a tenth at most, and then gives up", () => {
    const seconds = (chance: number) =>
      Array.from({ length: 10 }, (_, at) => (nextTry(failed, at + 1, chance) ?? 0) / 1_000);
    const hour = 3_600;
    const standard = [5, 300, 1_800, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour, 0];
    expect(seconds(0)).toEqual(standard);
    for (const [at, wait] of seconds(0.999_999).entries()) {
      expect(wait).toBeGreaterThanOrEqual(standard[at] ?? 0);
      expect(wait).toBeLessThanOrEqual(1.1 * (standard[at] ?? 0));
    }
    expect(nextTry(failed, RETRY_AFTER_MS.length + 1, 0)).toBeNull();
  });

  test("is done with 2xx and with 410, tries again after everything else, and not before Retry-After", () => {
    const status = (code: number | null, retry_after_ms: number | null = null) =>
      nextTry({ status: code, retry_after_ms }, 1, 0);
    expect([200, 204, 299, 410].map((code) => status(code))).toEqual([null, null, null, null]);
    expect([null, 301, 400, 404, 429, 503].map((code) => status(code))).toEqual(Array(6).fill(5_000));
    expect(status(429, 60_000)).toBe(60_000);
    expect(status(503, 1_000)).toBe(5_000);
  });

  test("declares a CloudEvent where that is wanted, but not what an earlier version has queued", () => {
    expect(webhookMediaType("cloudevents", '{"specversion":"1.0"}')).toBe("application/cloudevents+json");
    expect(webhookMediaType("cloudevents", '{"type":"alert.firing"}')).toBe("application/json");
    expect(webhookMediaType("standard", '{"specversion":"1.0"}')).toBe("application/json");
  });

  test("an alert's event is of the alerts, and its subject is the alert, with the stage that it is of", () => {
    const alert = { name: "stage_error_rate" as const, threshold: 1, value: 2, firing: true, since: null };
    const payload = (more: object) =>
      JSON.parse(webhookPayload("id", "alert.firing", 0, "acme", { ...alert, ...more }));
    expect(payload({})).toMatchObject({ id: "id", source: "/v1/alerts", subject: "stage_error_rate" });
    expect(payload({ stage: "answer" }).subject).toBe("stage_error_rate/answer");
    expect(payload({}).timestamp).toBe(payload({}).time);
  });

  test("sends only alerts by default", () => {
    expect(parseEvents(undefined)).toEqual({ ok: true, value: new Set(["alert.firing", "alert.resolved"]) });
    expect(parseEvents("execution.failed, alert.firing")).toEqual({
      ok: true,
      value: new Set(["execution.failed", "alert.firing"]),
    });
    expect(parseEvents("execution.cancelled,execution.paused")).toMatchObject({ ok: true });
    expect(parseEvents("execution.started")).toEqual({ ok: false, error: "execution.started" });
    const statuses = ["paused", "completed", "failed", "cancelled", "running"] as const;
    expect(statuses.map(executionEvent)).toEqual([
      "execution.paused",
      "execution.completed",
      "execution.failed",
      "execution.cancelled",
      null,
    ]);
  });
});
