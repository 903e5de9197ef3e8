// One definition: its text, its errors, its graph and the help on its fields.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { PipelineStage } from "../../contract/stage.ts";
import { Graph } from "../run/graph.tsx";
import { pendingStage } from "../../client/index.ts";
import { Card, Failure } from "../ui/parts.tsx";
import type { Draft } from "./draft.ts";
import { Editor } from "./editor.tsx";
import { Help } from "./help.tsx";
import { pathAt, writeJson } from "./json-text.ts";
import { type Mark, nameIn, stagesIn } from "./marks.ts";

export function Definition({ draft, onSaved }: { draft: Draft; onSaved: () => void }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const place = useSignal(0);
  const note = useSignal("");
  const shown = useRef<readonly PipelineStage[]>([]);
  const text = draft.text.value;
  const read = draft.read.value;
  const marks = draft.marks.value;
  const stages = stagesIn(read);
  // While the text is not JSON the last graph stays.
  if (stages !== null) shown.current = stages.flatMap(drawable);
  const changed = draft.isChanged.value;

  useEffect(() => {
    if (!changed) return undefined;
    const keep = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", keep);
    return () => removeEventListener("beforeunload", keep);
  }, [changed]);

  const show = (from: number, to: number) => {
    const element = field.current;
    if (element === null) return;
    element.focus();
    element.setSelectionRange(from, to);
    place.value = from;
  };
  /** As if it had been typed: it can be undone like typing. */
  const rewrite = (value: unknown) => {
    const element = field.current;
    if (element === null) return;
    element.focus();
    element.select();
    document.execCommand("insertText", false, writeJson(value));
  };
  const save = async (overwrite = false) => {
    note.value = "";
    if (!(await draft.save(overwrite))) return;
    note.value = `Saved as version ${draft.version.value ?? 1}.`;
    onSaved();
  };
  const select = (name: string) => {
    const at = stages?.findIndex((stage) => nameIn(stage) === name) ?? -1;
    const range = read.ranges.get(`/stages/${at}/name`);
    if (range !== undefined) show(range.from, range.to);
  };
  if (!draft.isLoaded.value) {
    if (draft.failure.value !== null) return <Failure cause={draft.failure.value} />;
    return (
      <p class="quiet" role="status">
        Loading the definition
      </p>
    );
  }
  const faulty = new Set(marks.flatMap(({ stage }) => (stage === null ? [] : [stage])));
  return (
    <div class="definition">
      <section class="card definition-text" aria-labelledby="definition-title">
        <header class="card-head">
          <h2 id="definition-title">
            {draft.name}
            {draft.version.value !== null && <span class="quiet"> version {draft.version.value}</span>}
          </h2>
          <span class="definition-verbs">
            <button type="button" disabled={!changed || draft.busy.value} onClick={draft.discard}>
              Discard
            </button>
            <button
              type="button"
              class="primary"
              disabled={!changed || draft.busy.value || stages === null || marks.length > 0}
              onClick={() => void save()}
            >
              {draft.busy.value ? "Saving" : "Save"}
            </button>
          </span>
        </header>
        <Editor
          field={field}
          text={text}
          read={read}
          marks={marks}
          onText={(next) => {
            draft.text.value = next;
            note.value = "";
          }}
          onPlace={(next) => {
            place.value = next;
          }}
          onSave={() => void save()}
        />
        <Faults marks={marks} text={text} onShow={show} />
        <Hints marks={draft.hints.value} text={text} onShow={show} />
        <p class="small quiet" role="status">
          {note.value}
        </p>
        {draft.failure.value !== null && (
          <Failure cause={draft.failure.value}>
            {draft.isStale.value && (
              <div class="trouble-verbs">
                <button type="button" onClick={() => void draft.load()}>
                  Load the saved version
                </button>
                <button type="button" onClick={() => void save(true)}>
                  Overwrite
                </button>
              </div>
            )}
          </Failure>
        )}
      </section>
      <div class="definition-side">
        <Card title="Graph" id="graph-title">
          <Graph
            stages={shown.current.map(pendingStage)}
            runView={null}
            selected={null}
            onSelect={select}
            faulty={faulty}
          />
        </Card>
        <Help path={pathAt(read, text, place.value)} value={read.value} onRewrite={rewrite} />
      </div>
    </div>
  );
}

interface MarksProps {
  marks: readonly Mark[];
  text: string;
  onShow: (from: number, to: number) => void;
}

/** Warnings that do not prevent saving. */
function Hints({ marks, text, onShow }: MarksProps) {
  return (
    <ul id="definition-hints" class="faults hints" aria-label="Hints" aria-live="polite">
      {marks.map(({ from, to, message, stage }, at) => (
        <li key={at}>
          <button type="button" onClick={() => onShow(from, to)}>
            <span class="tabular">line {text.slice(0, from).split("\n").length}</span>
            <span>
              Hint: {stage} {message}
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function Faults({ marks, text, onShow }: MarksProps) {
  return (
    <ul id="definition-errors" class="faults" aria-label="Errors" aria-live="polite">
      {marks.map(({ from, to, message, stage }, at) => (
        <li key={at}>
          <button type="button" onClick={() => onShow(from, to)}>
            <span class="quiet tabular">line {text.slice(0, from).split("\n").length}</span>
            <span>{stage === null ? message : `${stage}: ${message}`}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

/** What can be drawn of a stage, however wrong the rest of it is. */
function drawable(stage: unknown): PipelineStage[] {
  const name = nameIn(stage);
  if (name === null || name === "") return [];
  const { agent_type, depends_on, wait, pipeline, map, repeat } = stage as Record<string, unknown>;
  const edges = Array.isArray(depends_on) ? depends_on.filter((edge) => typeof edge === "string") : [];
  return [
    {
      name,
      ...(typeof agent_type === "string"
        ? { agent_type }
        : typeof pipeline === "string"
          ? { pipeline }
          : wait === undefined
            ? { agent_type: "no agent yet" }
            : {}),
      ...(isObject(map)
        ? {
            map: {
              over: "",
              max_items: numberIn(map["max_items"], 100),
              concurrency: numberIn(map["concurrency"], 4),
              on_error: "fail",
            },
          }
        : {}),
      ...(isObject(repeat)
        ? { repeat: { until: "", max: numberIn(repeat["max"], 2), on_max: "accept" } }
        : {}),
      depends_on: edges,
      required: true,
      parallel: true,
      config: {},
    },
  ];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** @param otherwise the contract's default, or its least */
function numberIn(value: unknown, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}
