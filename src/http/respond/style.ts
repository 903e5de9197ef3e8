// The page's one style, and the hash by which its policy allows it. Written as it is sent: nothing minifies it.

/** Contrast of text is at least 4.5:1 and of borders of controls at least 3:1, in light and dark. */
export const STYLE = `:root{color-scheme:light dark;--bg:#f8f8f6;--card:#fff;--ink:#1a1c1f;--muted:#5f636a;--line:#dcdcd6;--edge:#7d8189;--accent:#2b57c8;--on:#fff;--bad:#b3261e;font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Open Sans",sans-serif;color:var(--ink);background:var(--bg);-webkit-text-size-adjust:100%}
@media(prefers-color-scheme:dark){:root{--bg:#101113;--card:#17191c;--ink:#ececee;--muted:#a0a5ad;--line:#2f3339;--edge:#868c95;--accent:#8eabff;--on:#0e1630;--bad:#ff8f86}}
*{box-sizing:border-box}
body{max-width:42rem;margin:0 auto;padding:1.25rem 1rem 3rem;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.3;margin:.25rem 0 .75rem;text-wrap:balance}
h2{font-size:1.1rem;margin:0 0 .25rem}
p{margin:.5rem 0}
a{color:var(--accent)}
.status,footer,.hint,dt{color:var(--muted);font-size:.9375rem}
.status{margin:0}
footer{margin-top:2rem;border-top:1px solid var(--line);padding-top:.75rem}
.text{white-space:pre-wrap;max-height:60vh;overflow:auto;margin:.25rem 0}
pre,form .code{font-family:ui-monospace,Menlo,Consolas,monospace}
pre{font-size:.875rem;white-space:pre-wrap;max-height:60vh;overflow:auto;margin:.25rem 0;padding:.5rem;border:1px solid var(--line)}
[role=region]{border:1px solid var(--line);border-radius:6px;padding:.5rem .75rem;background:var(--card)}
dl,ul{margin:.25rem 0}
dl dl{border-left:2px solid var(--line);padding-left:.75rem}
dt{font-weight:600;margin-top:.75rem}
dd{margin:0}
ul{padding-left:1.25rem}
form{margin-top:1.5rem;border:1px solid var(--line);border-radius:10px;background:var(--card);padding:.25rem 1rem 1.25rem}
.field{margin-top:1.25rem}
fieldset{border:0;margin:0;padding:0;min-width:0}
fieldset.group{border-left:2px solid var(--line);padding-left:.875rem}
legend{padding:0}
label,legend{font-weight:600}
.hint{display:block;white-space:pre-line}
.fault{display:block;color:var(--bad);font-weight:600}
input,select,textarea,button{display:block;width:100%;min-height:48px;margin-top:.375rem;padding:.625rem .75rem;font:inherit;font-size:1rem;color:inherit;background:var(--card);border:1px solid var(--edge);border-radius:8px}
textarea{min-height:7.5rem;resize:vertical}
form [aria-invalid=true]{border:2px solid var(--bad)}
form fieldset[aria-invalid=true]{border-width:0 0 0 4px;padding-left:.75rem}
.choice{display:flex;align-items:center;gap:.75rem;min-height:48px;font-weight:400}
.choice input{flex:none;width:24px;height:24px;min-height:0;margin:0;padding:0;accent-color:var(--accent)}
button{margin-top:1.5rem;color:var(--on);background:var(--accent);border-color:var(--accent);font-weight:600;cursor:pointer}
.two{display:flex;gap:.75rem}
.two button{margin-top:.75rem}
.two button+button{color:var(--accent);background:none}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.faults{border:2px solid var(--bad);border-radius:10px;padding:.75rem 1rem;margin-top:1rem}
@media(prefers-reduced-motion:no-preference){button{transition:opacity .15s}button:active{opacity:.8}}
@media(forced-colors:active){button{border:2px solid}}`;

/** SHA-256 of the style in base64. A constant, since WebCrypto would give it only later; a test computes it. */
export const STYLE_HASH = "pqGuKhfgAk8TyHN8/tQP59aw1TUGrK0ZdJHSDFuxI4g=";
