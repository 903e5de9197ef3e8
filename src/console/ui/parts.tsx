// Pieces that several views are made of: a status in words, an error in words, an empty place that says what to do.
import type { ComponentChildren } from "preact";
import { type ErrorNotice, errorNotice } from "../lib/errors.ts";
import { type Glyph, Icon } from "./icons.tsx";

export function Status({ status }: { status: Glyph }) {
  return (
    <span class={`status is-${status}`}>
      <Icon name={status} />
      {status}
    </span>
  );
}

export function Failure({ cause, children }: { cause: unknown; children?: ComponentChildren }) {
  return <ErrorBox notice={errorNotice(cause)}>{children}</ErrorBox>;
}

export function ErrorBox({ notice, children }: { notice: ErrorNotice; children?: ComponentChildren }) {
  return (
    <div class="trouble" role="alert">
      <strong>{notice.title}</strong>
      <p>{notice.advice}</p>
      <p class="mono quiet">
        {notice.code}: {notice.detail}
      </p>
      {children}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      <p>{children}</p>
    </div>
  );
}

interface CardProps {
  title: string;
  id: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}

export function Card({ title, id, aside, children }: CardProps) {
  return (
    <section class="card" aria-labelledby={id}>
      <header class="card-head">
        <h2 id={id}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}
