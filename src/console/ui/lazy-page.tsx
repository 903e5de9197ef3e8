// A view, or a part of one, whose code is loaded when it is first opened, so that the first load of the page stays small.
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { Empty } from "./parts.tsx";

/** @param load the view; after a deployment its file may be gone, for a page that was open before */
export function lazyPage<Props extends object = object>(
  load: () => Promise<ComponentType<Props>>,
): ComponentType<Props> {
  const view = signal<ComponentType<Props> | null>(null);
  const hasFailed = signal(false);
  let loading: Promise<void> | null = null;
  const begin = async () => {
    try {
      view.value = await load();
    } catch {
      hasFailed.value = true;
    }
  };
  return (props: Props) => {
    const View = view.value;
    if (View !== null) return <View {...props} />;
    if (hasFailed.value) {
      return <Empty title="This view could not be loaded">Reload the page to try again.</Empty>;
    }
    loading ??= begin();
    return <p class="loading">Loading…</p>;
  };
}
