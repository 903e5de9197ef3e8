// The Pipelines page: the list, and one definition as text next to its graph.
import "../style/editor.css";
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Pipeline } from "../../contract/pipeline.ts";
import { go, route, to } from "../lib/route.ts";
import { client } from "../lib/session.ts";
import { Empty, Failure } from "../ui/parts.tsx";
import { Definition } from "./definition.tsx";
import { createDraft, type Draft } from "./draft.ts";

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

const drafts = new Map<string, Draft>();

function draftOf(name: string, isNew: boolean): Draft {
  const known = drafts.get(name);
  if (known !== undefined) return known;
  const draft = createDraft(name, isNew);
  drafts.set(name, draft);
  if (!isNew) void draft.load();
  return draft;
}

export function PipelinesPage() {
  const { rest, query } = route.value;
  const [name] = rest;
  const isNew = query.has("new");
  const list = useSignal<readonly Pipeline[] | null>(null);
  const failure = useSignal<unknown>(null);
  const current = client();
  const read = () =>
    current
      .listPipelines()
      .then((pipelines) => {
        list.value = pipelines;
        failure.value = null;
      })
      .catch((cause: unknown) => {
        failure.value = cause;
      });
  useEffect(() => void read(), [current]);
  const chosen = name ?? list.value?.[0]?.name;
  const draft = useMemo(() => (chosen === undefined ? null : draftOf(chosen, isNew)), [chosen, isNew]);
  // An unchanged draft is fetched again on the next visit: others may have written it.
  useEffect(
    () => () => {
      if (draft !== null && !draft.isChanged.peek()) {
        draft.forget();
        drafts.delete(draft.name);
      }
    },
    [draft],
  );
  return (
    <>
      <div class="page-head">
        <h1>Pipelines</h1>
        <NewPipeline taken={new Set(list.value?.map((pipeline) => pipeline.name))} />
      </div>
      {failure.value !== null && <Failure cause={failure.value} />}
      <nav class="pipeline-names" aria-label="Pipelines">
        {list.value?.map((pipeline) => (
          <a
            key={pipeline.name}
            href={to("pipelines", pipeline.name)}
            aria-current={pipeline.name === chosen ? "page" : undefined}
          >
            {pipeline.name}
            <span class="count">{pipeline.stages.length}</span>
          </a>
        ))}
      </nav>
      {draft !== null && (
        <Definition
          key={draft.name}
          draft={draft}
          onSaved={() => {
            if (isNew) go(to("pipelines", draft.name));
            void read();
          }}
        />
      )}
      {list.value?.length === 0 && name === undefined && (
        <Empty title="No pipelines yet">Enter a name above to create one.</Empty>
      )}
    </>
  );
}

function NewPipeline({ taken }: { taken: ReadonlySet<string> }) {
  const name = useSignal("");
  const problem =
    name.value === "" || (NAME.test(name.value) && !taken.has(name.value))
      ? null
      : taken.has(name.value)
        ? "This name is already in use."
        : "Letters, digits, and . _ - only.";
  return (
    <form
      class="new-pipeline"
      aria-label="New pipeline"
      onSubmit={(event) => {
        event.preventDefault();
        if (name.value === "" || problem !== null) return;
        go(`${to("pipelines", name.value)}?new`);
        name.value = "";
      }}
    >
      <label class="inline-field">
        <span>New pipeline</span>
        <input
          size={16}
          placeholder="name"
          aria-invalid={problem !== null}
          aria-describedby="new-pipeline-problem"
          value={name.value}
          onInput={(event) => {
            name.value = event.currentTarget.value.trim();
          }}
        />
      </label>
      <button type="submit" disabled={name.value === "" || problem !== null}>
        Create
      </button>
      <span id="new-pipeline-problem" class="bad small" role="status">
        {problem}
      </span>
    </form>
  );
}
