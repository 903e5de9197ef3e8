// Agents that answer at once or after `config.delay_ms`: as cheap as an agent can be. The first `config.failures` tries
// of a stage are refused.

const ANSWER = JSON.stringify({ data: { answer: "x".repeat(200) } });
const JSON_TYPE = { "content-type": "application/json" };

export default {
  async fetch(request: Request): Promise<Response> {
    const body: { attempt?: number; config?: { delay_ms?: number; failures?: number } } =
      await request.json();
    const { delay_ms, failures = 0 } = body.config ?? {};
    if ((body.attempt ?? 1) <= failures) return new Response(null, { status: 503 });
    if (delay_ms !== undefined) {
      await new Promise((resolve) => {
        setTimeout(resolve, delay_ms);
      });
    }
    return new Response(ANSWER, { headers: JSON_TYPE });
  },
};
