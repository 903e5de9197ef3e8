// The page's frame: navigation, connection state and the current view. If a key is required, nothing
// else is shown.
import type { ComponentType } from "preact";
import { ExecutionsPage } from "./executions/executions-page.tsx";
import { hasKey, isCut, keyWanted, signOut } from "./lib/session.ts";
import { route, to } from "./lib/route.ts";
import { RunPage } from "./run/run-page.tsx";
import { SignIn } from "./sign-in.tsx";
import { inbox } from "./waits/inbox.ts";
import { WaitsPage } from "./waits/waits-page.tsx";
import { lazyPage } from "./ui/lazy-page.tsx";
import { Empty } from "./ui/parts.tsx";

/** With the editor and its JSON parser a fifth of the code. */
const PipelinesPage = lazyPage(async () => (await import("./pipelines/pipelines-page.tsx")).PipelinesPage);

/** With the charts. */
const HealthPage = lazyPage(async () => (await import("./health/health-page.tsx")).HealthPage);

/** Two runs side by side: reached from a run, and so not in the navigation. */
const ComparePage = lazyPage(async () => (await import("./forks/compare-page.tsx")).ComparePage);

const PAGES: Readonly<Record<string, { title: string; view: ComponentType }>> = {
  run: { title: "Run", view: RunPage },
  executions: { title: "Executions", view: ExecutionsPage },
  waits: { title: "Inbox", view: WaitsPage },
  pipelines: { title: "Pipelines", view: PipelinesPage },
  health: { title: "Health", view: HealthPage },
};

export function App() {
  const { page } = route.value;
  const View = page === "compare" ? ComparePage : (PAGES[page]?.view ?? Lost);
  return (
    <>
      <a class="skip" href="#main" onClick={focusMain}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={to("run")}>
          <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
            <path d="M5 12h5m2.5-1.2L18 6.5m-5.5 6.7L18 17.5" />
            <circle cx="4" cy="12" r="2.5" />
            <circle cx="11.5" cy="12" r="2.5" />
            <circle cx="19.5" cy="6" r="2.5" />
            <circle cx="19.5" cy="18" r="2.5" />
          </svg>
          <span>Agent Coordinator</span>
        </a>
        <nav aria-label="Views">
          {Object.entries(PAGES).map(([name, { title }]) => (
            <a key={name} href={to(name)} aria-current={name === page ? "page" : undefined}>
              {title}
              {name === "waits" && <OpenCount />}
            </a>
          ))}
        </nav>
        {hasKey.value && (
          <button type="button" class="link sign-out" onClick={signOut}>
            Sign out
          </button>
        )}
      </header>
      <div role="status" class="connection">
        {isCut.value && (
          <p>
            <strong>No connection.</strong> This page may be out of date; it updates automatically as soon as
            the coordinator responds.
          </p>
        )}
      </div>
      <main id="main" tabIndex={-1}>
        {keyWanted.value === null ? <View /> : <SignIn reason={keyWanted.value} />}
      </main>
    </>
  );
}

/** How many questions are open; nothing where none is. */
function OpenCount() {
  const { rows, has_more } = inbox.value ?? { rows: [], has_more: false };
  if (rows.length === 0) return null;
  const count = `${rows.length}${has_more ? "+" : ""}`;
  return (
    <span class="open-count">
      {count}
      <span class="sr-only"> open {count === "1" ? "question" : "questions"}</span>
    </span>
  );
}

function Lost() {
  return (
    <Empty title="Page not found">
      Start with <a href={to("run")}>a question</a>, or open the <a href={to("executions")}>executions</a>.
    </Empty>
  );
}

function focusMain(event: Event): void {
  // The part of the URL after # belongs to the view.
  event.preventDefault();
  document.getElementById("main")?.focus();
}
