// Tokens and the page that they open, in real workerd: a GET never answers, one POST does, and no other token opens it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { KEYS } from "../../support/clients/keys.ts";
import { lifecycle, readEvents } from "../../support/clients/sse.ts";
import { type Asking, startAsking } from "./asking.ts";

let asking: Asking;
beforeAll(async () => {
  asking = await startAsking();
});
afterAll(() => asking.close());

const FORM = "application/x-www-form-urlencoded";
const YES = "%2Fapproved=true&%2Fnote=fine";
const NO = "%2Fapproved=false";

interface Shown {
  status: number;
  text: string;
  headers: Headers;
}

async function page(url: string, init: RequestInit = {}): Promise<Shown> {
  const response = await fetch(url, { redirect: "manual", ...init });
  return { status: response.status, text: await response.text(), headers: response.headers };
}
/** As a browser sends the form of a page without referrer. */
const submit = (url: string, body: string) =>
  page(url, { method: "POST", body, headers: { "content-type": FORM, accept: "text/html", origin: "null" } });
const sendJson = (url: string, data: unknown) =>
  page(url, {
    method: "POST",
    body: JSON.stringify({ data }),
    headers: { "content-type": "application/json" },
  });

/** A run that asks, and the page of its question. */
async function link(wait?: Record<string, unknown>) {
  const id = await asking.open(wait);
  const made = await asking.token(id);
  expect(made.status).toBe(200);
  return { id, url: String(made.body.respond_url), token: String(made.body.token), body: made.body };
}

test("a token's address is the coordinator's, and its time is the question's", async () => {
  const { id, url, token, body } = await link({ timeout_seconds: 600 });
  expect(url).toBe(`${asking.coordinator.url}/respond/${token}`);
  const events = await asking.api("GET", `/v1/executions/${id}`);
  const asked = Date.parse(events.body.stage_results.approval.start_time);
  expect(Date.parse(body.expires_at)).toBe(asked + 600_000);
});

test("opening the link, in any way, answers nothing; its form does, and once", async () => {
  const { id, url } = await link();
  for (const [method, query] of [
    ["GET", ""],
    ["GET", "?%2Fapproved=true"],
    ["GET", "?utm_source=mail&utm_source=mail"],
    ["HEAD", ""],
    ["OPTIONS", ""],
    ["PUT", ""],
    ["DELETE", ""],
  ]) {
    const { status, text, headers } = await page(`${url}${query}`, { method: String(method) });
    expect(status, `${method} ${query}`).toBe({ GET: 200, HEAD: 200, OPTIONS: 204 }[String(method)] ?? 405);
    if (method === "GET") expect(text).toContain("Publish this?");
    if (status === 200) expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("access-control-allow-origin")).toBeNull();
  }
  expect((await asking.api("GET", `/v1/executions/${id}`)).body.status).toBe("waiting");
  const thanks = await submit(`${url}?utm_source=mail`, YES);
  expect([thanks.status, thanks.text.includes("Thank you")]).toEqual([200, true]);
  const ended = await asking.status(id, "completed");
  expect(ended.final_result).toEqual({ approved: true, note: "fine" });
  expect(ended.stage_results.approval.answered_by).toMatch(/^token:[A-Za-z0-9_-]{8}$/);
  const again = await submit(url, YES);
  expect([again.status, again.text.includes("Thank you")]).toEqual([200, true]);
  const other = await submit(url, NO);
  expect([other.status, other.text.includes("already been answered")]).toEqual([409, true]);
  expect(await page(url)).toMatchObject({
    status: 200,
    text: expect.stringContaining("already been answered"),
  });
  expect(await asking.api("GET", `/v1/executions/${id}`)).toMatchObject({ body: ended });
});

test("a form that is not right comes back with what was entered; JSON is answered in JSON", async () => {
  const { id, url } = await link();
  const wrong = await submit(url, `%2Fnote=${"n".repeat(51)}`);
  expect(wrong.status).toBe(422);
  expect(wrong.text).toContain("n".repeat(51));
  expect(wrong.text).toContain("Your answer was not taken");
  expect(JSON.parse((await sendJson(url, { approved: "yes" })).text)).toMatchObject({
    status: 422,
    code: "SCHEMA_MISMATCH",
    errors: [{ pointer: "/data/approved" }],
    instance: "/respond/***",
  });
  expect((await asking.api("GET", `/v1/executions/${id}`)).body.status).toBe("waiting");
  const taken = await sendJson(url, { approved: true });
  expect([taken.status, JSON.parse(taken.text).answered_by.slice(0, 6)]).toEqual([200, "token:"]);
  expect((await sendJson(url, { approved: false })).status).toBe(409);
});

test("two people at one link: exactly one answer is taken", async () => {
  const { id, url } = await link({ schema: { type: "object" } });
  const all = await Promise.all(Array.from({ length: 40 }, (_, n) => sendJson(url, { n })));
  expect(all.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(all.filter(({ status }) => status === 409)).toHaveLength(39);
  const events = await asking.coordinator.fetch(`/v1/executions/${id}/events`, {
    headers: { authorization: `Bearer ${KEYS.acme}` },
  });
  const ends = lifecycle(await readEvents(events)).filter(({ data }) => data.stage === "approval");
  expect(ends.map(({ event }) => event)).toEqual(["stage.waiting", "stage.completed"]);
});

test("a question that is over says so", async () => {
  const expired = await link({ timeout_seconds: 1, on_timeout: "skip" });
  await asking.status(expired.id, "completed");
  const cancelled = await link();
  await asking.api("POST", `/v1/executions/${cancelled.id}/cancel`);
  for (const [url, words] of [
    [expired.url, "time for an answer is over"],
    [cancelled.url, "no longer needed"],
  ] as const) {
    expect(await page(url)).toMatchObject({ status: 200, text: expect.stringContaining(words) });
    expect(await submit(url, YES)).toMatchObject({ status: 409, text: expect.stringContaining(words) });
    expect((await sendJson(url, { approved: true })).status).toBe(409);
  }
  expect((await asking.api("DELETE", `/v1/executions/${cancelled.id}`)).status).toBe(204);
  expect((await page(cancelled.url)).status).toBe(404);
});

test("no other token opens a question: all of them are the same page", async () => {
  const [one, two] = [await link(), await link()];
  const [keyId, claims, signature] = one.token.split(".") as [string, string, string];
  const [, claimsOfTwo] = two.token.split(".");
  const forged = Buffer.from(claims, "base64url").toString().replace("acme", "globex");
  const streamed = await asking.api("GET", `/v1/executions/${one.id}`);
  const streamToken = new URL(streamed.body.stream_url, "http://x").searchParams.get("token");
  const bad = [
    "x",
    `${keyId}.${claims}`,
    `${keyId}.${claimsOfTwo}.${signature}`,
    `${keyId}.${Buffer.from(forged).toString("base64url")}.${signature}`,
    `00000000.${claims}.${signature}`,
    `${keyId}.${claims}.${signature.slice(0, -1)}${signature.endsWith("A") ? "E" : "A"}`,
    `${one.token}${"x".repeat(2_000)}`,
    encodeURIComponent(String(streamToken)),
  ];
  const pages = new Set<string>();
  for (const token of bad) {
    const url = `${asking.coordinator.url}/respond/${token}`;
    const [shown, sent, json] = [
      await page(url),
      await submit(url, YES),
      await sendJson(url, { approved: true }),
    ];
    expect([shown.status, sent.status, json.status], token).toEqual([404, 404, 404]);
    for (const { text } of [shown, sent]) pages.add(text);
    pages.add(json.text);
    expect((await asking.api("POST", `/v1/callbacks/${token}`, { data: {} }, null)).status, token).toBe(404);
  }
  expect(pages.size).toBe(2);
  expect((await asking.api("POST", `/v1/callbacks/${one.token}`, { data: {} }, null)).status).toBe(404);
  for (const { id, url } of [one, two]) {
    expect((await asking.api("GET", `/v1/executions/${id}`)).body.status).toBe("waiting");
    expect((await submit(url, YES)).status).toBe(200);
  }
  // Neither a token nor what is in it is logged.
  await asking.api("GET", `/v1/callbacks/${one.token}`, undefined, null);
  await expect.poll(() => asking.coordinator.output(), { timeout: 5_000 }).toContain("/v1/callbacks/***");
  for (const { token } of [one, two]) expect(asking.coordinator.output()).not.toContain(token.split(".")[1]);
});

test("a run of the same id later is not opened by the token of an earlier one", async () => {
  const run = { pipeline: "asks1", query: "q", conversation_id: "c", execution_id: "again" };
  const first = await asking.api("POST", "/v1/executions", run);
  expect(first.body.status).toBe("waiting");
  const { respond_url } = (await asking.token("again")).body;
  await asking.api("POST", "/v1/executions/again/cancel");
  await asking.api("DELETE", "/v1/executions/again");
  expect((await asking.api("POST", "/v1/executions", run)).body.status).toBe("waiting");
  expect((await page(respond_url)).status).toBe(404);
  expect((await submit(respond_url, YES)).status).toBe(404);
  expect((await asking.api("GET", "/v1/executions/again")).body.status).toBe("waiting");
});
