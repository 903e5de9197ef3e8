// An open question of a run, with the form that answers it: the answer, a rejection with its reason, and a link for
// somebody without a key. What an answer does shows in the run's events, like everything else.
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { CoordinatorClientError, type StageView } from "../../client/index.ts";
import type { JsonObject } from "../../contract/json.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { InputError } from "../../contract/problem.ts";
import { formFields } from "../../core/schemas/form-fields.ts";
import { readForm } from "../../core/schemas/read-form.ts";
import { useNow } from "../lib/clock.ts";
import { moment, remaining } from "../lib/format.ts";
import { client } from "../lib/session.ts";
import { Card, Failure } from "../ui/parts.tsx";
import { Fields, faultsBeside } from "./fields.tsx";
import { Prompt } from "./prompt.tsx";

interface QuestionProps {
  execution_id: string;
  stage: StageView;
}

export function Question({ execution_id, stage: { name, wait } }: QuestionProps) {
  const schema = wait?.schema ?? null;
  const fields = useMemo(() => formFields(schema ?? {}), [schema]);
  const texts = useSignal<ReadonlyMap<string, string>>(new Map());
  const faults = useSignal<readonly InputError[]>([]);
  const failure = useSignal<unknown>(null);
  const busy = useSignal(false);
  if (wait === null) return null;
  const id = `answer-${name}`;

  const send = async (act: () => Promise<unknown>) => {
    if (busy.value) return;
    busy.value = true;
    failure.value = null;
    faults.value = [];
    try {
      await act();
      // The form goes with the question: a keyboard goes on at the run.
      document.getElementById("main")?.focus({ preventScroll: true });
    } catch (cause) {
      const isMismatch = cause instanceof CoordinatorClientError && cause.code === "SCHEMA_MISMATCH";
      if (isMismatch) showFaults(cause.errors.map(inData));
      else failure.value = cause;
    } finally {
      busy.value = false;
    }
  };
  const showFaults = (found: readonly InputError[]) => {
    faults.value = found;
    requestAnimationFrame(() => {
      const wrong = document.querySelector<HTMLElement>(`#${CSS.escape(id)} [aria-invalid="true"]`);
      (wrong?.querySelector("input") ?? wrong)?.focus();
    });
  };
  const answer = () => {
    const entries = [...leaves(fields)].map(
      (field) => [field.name, texts.value.get(field.name) ?? field.initial] as const,
    );
    const { data, faults: unread } = readForm(fields, entries);
    if (unread.length > 0) {
      showFaults(unread);
      return;
    }
    void send(() => client().completeStage(execution_id, name, (data ?? {}) as JsonObject));
  };
  const others = faultsBeside(fields, faults.value);
  return (
    <Card title={`${name} asks`} id={`${id}-title`} aside={<Expiry expires_at={wait.expires_at} />}>
      <Prompt prompt={wait.prompt} />
      <form
        id={id}
        class="answer-form"
        aria-labelledby={`${id}-title`}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          answer();
        }}
      >
        <Fields
          fields={fields}
          id={id}
          texts={texts.value}
          faults={faults.value}
          onText={(field, text) => {
            texts.value = new Map(texts.value).set(field, text);
          }}
        />
        <ul class="bad small" role="alert">
          {others.map(({ pointer, detail }) => (
            <li key={`${pointer} ${detail}`}>
              {pointer} {detail}
            </li>
          ))}
        </ul>
        <button type="submit" class="primary" disabled={busy.value}>
          {busy.value ? "Sending" : "Answer"}
        </button>
      </form>
      {failure.value !== null && <Failure cause={failure.value} />}
      <Reject
        busy={busy.value}
        id={id}
        onReject={(message) => void send(() => client().failStage(execution_id, name, message))}
      />
      <Link execution_id={execution_id} stage={name} />
    </Card>
  );
}

function Expiry({ expires_at }: { expires_at: number }) {
  const now = useNow(true);
  const until = new Date(expires_at).toISOString();
  return (
    <span class="quiet small">
      expires in{" "}
      <time class="tabular" dateTime={until} title={moment(until)}>
        {remaining(expires_at - now)}
      </time>
    </span>
  );
}

interface RejectProps {
  busy: boolean;
  id: string;
  onReject: (message: string) => void;
}

function Reject({ busy, id, onReject }: RejectProps) {
  const message = useSignal("");
  return (
    <details class="reject">
      <summary>Reject</summary>
      <form
        class="answer-form"
        aria-label="Reject"
        onSubmit={(event) => {
          event.preventDefault();
          onReject(message.value.trim());
        }}
      >
        <div class="field">
          <label for={`${id}-reason`}>Reason</label>
          <textarea
            id={`${id}-reason`}
            rows={2}
            maxLength={LIMITS.ERROR_CHARS}
            aria-describedby={`${id}-reason-help`}
            value={message.value}
            onInput={(event) => {
              message.value = event.currentTarget.value;
            }}
          />
          <p id={`${id}-reason-help`} class="quiet small">
            The stage fails with it as its message.
          </p>
        </div>
        <button type="submit" class="danger" disabled={busy || message.value.trim() === ""}>
          Reject
        </button>
      </form>
    </details>
  );
}

/** A link that answers this question and nothing else. */
function Link({ execution_id, stage }: { execution_id: string; stage: string }) {
  const link = useSignal<{ url: string; isCopied: boolean; expires_at: string } | null>(null);
  const failure = useSignal<unknown>(null);
  const copy = async () => {
    failure.value = null;
    try {
      const { respond_url, expires_at } = await client().stageToken(execution_id, stage);
      const isCopied = await navigator.clipboard.writeText(respond_url).then(
        () => true,
        () => false,
      );
      link.value = { url: respond_url, isCopied, expires_at };
    } catch (cause) {
      failure.value = cause;
    }
  };
  return (
    <div class="answer-link">
      <button type="button" class="link" onClick={() => void copy()}>
        Copy a link for somebody without a key
      </button>
      <p class="quiet small" role="status">
        {link.value !== null &&
          `${link.value.isCopied ? "Copied. It" : "It"} answers this question alone, until ${moment(link.value.expires_at)}.`}
      </p>
      {link.value !== null && (
        <input
          class="mono small"
          readOnly
          aria-label="Link"
          value={link.value.url}
          onFocus={(event) => event.currentTarget.select()}
        />
      )}
      {failure.value !== null && <Failure cause={failure.value} />}
    </div>
  );
}

function leaves(fields: ReturnType<typeof formFields>): ReturnType<typeof formFields> {
  return fields.flatMap((field) => (field.kind === "group" ? [...field.fields] : [field]));
}

/** A coordinator's pointers are into the body of the call, whose `data` is what the form gives. */
function inData({ pointer, detail }: InputError): InputError {
  return { pointer: pointer.replace(/^\/data/, ""), detail };
}
