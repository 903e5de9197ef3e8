// A delivery over real workerd that is a CloudEvent and of Standard Webhooks at once: the packages of both read the same
// bytes, and the id is the same for both.
import { CloudEvent, HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";
import { expect, test, type TestContext } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { runFine, startWorld, WEBHOOK_SECRET, webhookTo } from "../../support/servers/world.ts";

const world = (context: TestContext, vars: Record<string, string>) =>
  startWorld(context, {
    vars: ({ receiver }) => ({ ...webhookTo(receiver, "execution.completed"), ...vars }),
  });

/** The first delivery of a run that has completed. */
async function delivered(context: TestContext, vars: Record<string, string> = {}) {
  const of = await world(context, vars);
  const { calls } = await of.boot();
  await runFine(calls, "run-1");
  const [first] = await eventually(
    async () => of.receiver.on("/hook"),
    (got) => got.length === 1,
  );
  if (first === undefined) throw new Error("nothing was delivered");
  return first;
}

test.concurrent("both packages read it", async (context) => {
  const { text, headers } = await delivered(context, { AGENT_COORDINATOR_WEBHOOK_FORMAT: "cloudevents" });
  expect(headers["content-type"]).toBe("application/cloudevents+json");
  const event = HTTP.toEvent<{ execution_id: string; status: string }>({ headers, body: text });
  if (!(event instanceof CloudEvent)) throw new Error("it is no single event");
  expect(event.validate()).toBe(true);
  expect(event).toMatchObject({
    specversion: "1.0",
    id: headers["webhook-id"],
    type: "execution.completed",
    source: "/v1/executions/run-1",
    subject: "run-1",
    datacontenttype: "application/json",
    data: { execution_id: "run-1", status: "completed" },
  });
  const verified = new Webhook(WEBHOOK_SECRET).verify(text, headers) as Record<string, unknown>;
  expect(verified).toMatchObject({ type: "execution.completed", timestamp: event.time, data: event.data });
});

test.concurrent("without the variable the same bytes are declared as JSON", async (context) => {
  const { text, headers } = await delivered(context);
  expect(headers["content-type"]).toBe("application/json");
  expect(JSON.parse(text)).toMatchObject({ specversion: "1.0", id: headers["webhook-id"] });
});
