// A run that asks, for the console: the core decides what answers do, and a page is given what a coordinator would
// answer about it. Everything that is not about this run goes on to the server of the page.
import type { Page, Route } from "playwright-core";
import { type LogEvent, wireJson } from "../../../src/core/execution/log-event.ts";
import { stageOf } from "../../../src/core/execution/state.ts";
import { Play } from "../../core/rules/play.ts";

export const RUN_ID = "ex_test";

export interface AskingRun {
  play: Play;
  /** Whether answers reach the coordinator. */
  isClosed: boolean;
}

/** @param play whose stages' schemas are those that the form shows */
export async function askIn(page: Page, play: Play): Promise<AskingRun> {
  const run: AskingRun = { play, isClosed: false };
  const problem = (route: Route, status: number, code: string, more: object = {}) =>
    route.fulfill({
      status,
      contentType: "application/problem+json",
      json: { status, code, detail: code, ...more },
    });

  const signal = async (route: Route, stage: string, answer: Parameters<typeof play.submit>[0]) => {
    play.now = Math.max(play.now, Date.now());
    const { refusal } = play.submit(answer);
    switch (refusal?.reason) {
      case undefined:
      case "repeated":
        return route.fulfill({ json: play.result(stage) });
      case "mismatch":
        return problem(route, 422, "SCHEMA_MISMATCH", { errors: refusal.errors });
      default:
        return problem(route, 409, "EXECUTION_CONFLICT");
    }
  };

  await page.route(`**/v1/executions/${RUN_ID}`, (route) =>
    route.fulfill({ json: { ...play.view, execution_id: RUN_ID } }),
  );
  await page.route(`**/v1/executions/${RUN_ID}/events`, async (route) => {
    const after = Number((await route.request().headerValue("last-event-id")) ?? 0);
    const body = play.log.filter(({ seq }) => seq > after).map(frame);
    await route.fulfill({ contentType: "text/event-stream", body: body.join("") });
  });
  await page.route(`**/v1/executions/${RUN_ID}/stages/*/*`, async (route) => {
    const [stage = "", verb = ""] = new URL(route.request().url()).pathname.split("/").slice(-2);
    const sent = route.request().postDataJSON() as { data: Record<string, unknown>; message: string } | null;
    const given = { type: "signal", stage, wait: null, by: "key:k1" } as const;
    if (run.isClosed) return problem(route, 409, "EXECUTION_CONFLICT");
    if (verb === "complete")
      return signal(route, stage, { ...given, answer: { ok: true, data: sent?.data ?? {} } });
    if (verb === "fail")
      return signal(route, stage, { ...given, answer: { ok: false, message: sent?.message ?? "" } });
    const expires_at = new Date(stageOf(play.state, stage).wait?.expires_at ?? 0).toISOString();
    return route.fulfill({
      json: { token: "t1", respond_url: "https://coordinator.test/respond/t1", expires_at },
    });
  });
  await page.route("**/v1/waits?*", (route) => route.fulfill({ json: openQuestions(play) }));
  return run;
}

function openQuestions(play: Play) {
  const data = play.state.stages.flatMap(({ wait, result }, at) =>
    wait?.reason === "wait"
      ? [
          {
            execution_id: RUN_ID,
            stage: result.stage,
            pipeline: play.state.spec.pipeline,
            conversation_id: play.state.spec.conversation_id,
            prompt: wait.prompt,
            schema: play.state.spec.stages[at]?.wait?.schema ?? null,
            expires_at: new Date(wait.expires_at).toISOString(),
          },
        ]
      : [],
  );
  data.sort((one, other) => one.expires_at.localeCompare(other.expires_at));
  return { data, has_more: false, next_cursor: null };
}

function frame(event: LogEvent): string {
  return `id: ${event.seq}\nevent: ${event.type}\ndata: ${wireJson(event)}\n\n`;
}
