// Loads the document, lists its operations, and shows the one that the address names.

const KEY_STORE = "console.key";
let operations = [];

function listView(wanted) {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (operation) => {
    const text = `${operation.verb} ${operation.path} ${operation.operationId} ${operation.summary || ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const tags = [...new Set(operations.flatMap((operation) => operation.tags || ["other"]))];
  return tags.map((tag) => {
    const own = operations.filter((operation) => (operation.tags || ["other"]).includes(tag) && fits(operation));
    return own.length ? [el("h2", {}, breakable(tag)), el("ul", {}, own.map((operation) => el("li", {}, linkTo(operation))))] : null;
  });
}

function linkTo(operation) {
  return el("a", {href: `#${encodeURIComponent(operation.operationId)}`, title: `${operation.path}\n${operation.summary || ""}`},
    el("span", {class: `verb ${operation.verb}`}, operation.verb), el("span", {class: "name"}, breakable(shortName(operation.operationId))));
}

function homeView() {
  const tags = api.tags || [];
  return [el("h1", {}, api.info.title), prose(api.info.description), tags.map((tag) => [
    el("h2", {}, tag.name), prose(tag.description),
    el("ul", {class: "fields"}, operations.filter((operation) => (operation.tags || []).includes(tag.name)).map((operation) =>
      el("li", {}, el("div", {class: "overview"}, el("span", {class: `verb ${operation.verb}`}, operation.verb),
        el("a", {href: `#${encodeURIComponent(operation.operationId)}`}, shortName(operation.operationId))), el("div", {class: "text quiet"}, inline(operation.summary || ""))))),
  ])];
}

/** Shows what the address names: an operation, or the overview. */
function route() {
  stopCall();
  const id = decodeURIComponent(location.hash.slice(1));
  const operation = operations.find((each) => each.operationId === id);
  show($("main"), operation ? operationView(operation) : homeView());
  document.title = operation ? `${shortName(id)} · ${api.info.title}` : api.info.title;
  for (const link of $("list").querySelectorAll("a")) {
    if (link.getAttribute("href") === `#${encodeURIComponent(id)}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  openMenu(false);
  scrollTo(0, 0);
}

function openMenu(open) {
  $("side").classList.toggle("open", open);
  $("menu").setAttribute("aria-expanded", String(open));
}

function keepKey() {
  try {
    $("key").value = sessionStorage.getItem(KEY_STORE) || "";
    $("key").addEventListener("input", () => sessionStorage.setItem(KEY_STORE, $("key").value));
  } catch { /* without storage the key lasts as long as the page */ }
}

async function start() {
  keepKey();
  $("menu").addEventListener("click", () => openMenu(!$("side").classList.contains("open")));
  $("filter").addEventListener("input", () => show($("list"), listView($("filter").value)));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) { event.preventDefault(); $("filter").focus(); }
  });
  try {
    const reply = await fetch(urlOf("openapi.json", []), {credentials: "omit"});
    if (!reply.ok) throw new Error(`status ${reply.status}`);
    api = await reply.json();
  } catch (error) {
    show($("main"), el("p", {class: "problem"}, `The document cannot be loaded: ${error.message}`));
    return;
  }
  operations = operationsOf(api);
  show($("title"), api.info.title);
  show($("version"), api.info.version);
  show($("list"), listView(""));
  addEventListener("hashchange", route);
  route();
}

start();
