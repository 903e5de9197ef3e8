// A question and the pipeline that is to answer it. Asking starts a run and goes to it; questions of one tab belong to
// one conversation, so that a second may build on the first, until a new one is begun.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { client } from "../lib/session.ts";
import { go, to } from "../lib/route.ts";
import { Failure } from "../ui/parts.tsx";

const CONVERSATION = "agent-coordinator.conversation";
const CHOSEN = "agent-coordinator.pipeline";
const MAX_QUESTION = 32_768;

function conversation(): string {
  const known = sessionStorage.getItem(CONVERSATION);
  if (known !== null) return known;
  const fresh = `console-${crypto.randomUUID()}`;
  sessionStorage.setItem(CONVERSATION, fresh);
  return fresh;
}

export function Ask({ focus }: { focus: boolean }) {
  const question = useSignal("");
  const pipelines = useSignal<readonly string[]>([sessionStorage.getItem(CHOSEN) ?? "rag"]);
  const chosen = useSignal(sessionStorage.getItem(CHOSEN) ?? "rag");
  const busy = useSignal(false);
  const failure = useSignal<unknown>(null);
  const begun = useSignal(sessionStorage.getItem(CONVERSATION) !== null);
  const field = useRef<HTMLTextAreaElement>(null);
  const current = client();

  useEffect(() => {
    if (focus) field.current?.focus();
  }, [focus]);
  useEffect(() => {
    void (async () => {
      const names = (await current.listPipelines()).map(({ name }) => name);
      pipelines.value = names;
      if (!names.includes(chosen.value)) chosen.value = names.includes("rag") ? "rag" : (names[0] ?? "rag");
    })().catch(() => {
      // The name that is shown may do: the run itself would say otherwise.
    });
  }, [current]);

  const ask = async () => {
    const query = question.value.trim();
    if (query === "" || busy.value) return;
    busy.value = true;
    failure.value = null;
    try {
      const started = await client().startExecution({
        query,
        conversation_id: conversation(),
        pipeline: chosen.value,
      });
      question.value = "";
      begun.value = true;
      go(to("run", started.execution_id));
    } catch (cause) {
      failure.value = cause;
    } finally {
      busy.value = false;
    }
  };

  return (
    <form
      class="ask"
      aria-label="Ask a question"
      onSubmit={(event) => {
        event.preventDefault();
        void ask();
      }}
    >
      <div class="ask-box">
        <textarea
          ref={field}
          id="question"
          rows={1}
          maxLength={MAX_QUESTION}
          placeholder="Ask a question"
          aria-label="Question"
          value={question.value}
          onInput={(event) => {
            question.value = event.currentTarget.value;
          }}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void ask();
          }}
        />
        <div class="ask-row">
          <label class="inline-field">
            <span>Pipeline</span>
            <select
              value={chosen.value}
              onChange={(event) => {
                chosen.value = event.currentTarget.value;
                sessionStorage.setItem(CHOSEN, chosen.value);
              }}
            >
              {pipelines.value.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          {begun.value && (
            <button
              type="button"
              class="link"
              onClick={() => {
                sessionStorage.removeItem(CONVERSATION);
                begun.value = false;
                field.current?.focus();
              }}
            >
              New conversation
            </button>
          )}
          <button type="submit" class="primary" disabled={busy.value || question.value.trim() === ""}>
            {busy.value ? "Asking" : "Ask"}
          </button>
        </div>
      </div>
      {failure.value !== null && <Failure cause={failure.value} />}
    </form>
  );
}
