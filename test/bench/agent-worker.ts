// Agents that answer at once or after `config.delay_ms`: as cheap as an agent can be.

const ANSWER = JSON.stringify({ data: { answer: "x".repeat(200) } });
const JSON_TYPE = { "content-type": "application/json" };

export default {
  async fetch(request: Request): Promise<Response> {
    const body: { config?: { delay_ms?: number } } = await request.json();
    const delay_ms = body.config?.delay_ms;
    if (delay_ms !== undefined) {
      await new Promise((resolve) => {
        setTimeout(resolve, delay_ms);
      });
    }
    return new Response(ANSWER, { headers: JSON_TYPE });
  },
};
