// Builds elements. All text of the document and of replies goes in as text nodes, never as markup.

const $ = (id) => document.getElementById(id);

/** Makes an element: `el("a", {class: "x", href: "#", onclick: f}, "text", child, null)`; false and null are left out. */
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Shows the little Markdown that proto comments have: paragraphs, lists with "- ", and `code`. */
function prose(text) {
  return (text || "").split(/\n\s*\n/).filter((part) => part.trim()).map((part) => {
    const lines = part.split("\n");
    if (!lines.every((line) => /^\s*(- |  )/.test(line))) return el("p", {}, inline(lines.join(" ")));
    const items = [];
    for (const line of lines) {
      if (/^\s*- /.test(line)) items.push(line.replace(/^\s*- /, ""));
      else if (items.length) items[items.length - 1] += " " + line.trim();
    }
    return el("ul", {}, items.map((item) => el("li", {}, inline(item))));
  });
}

/** Splits a text into text and `code`. */
function inline(text) {
  return text.split(/(`[^`]+`)/).filter(Boolean).map((part) =>
    part.length > 2 && part.startsWith("`") && part.endsWith("`") ? el("code", {}, part.slice(1, -1)) : part);
}

/** Lets a long name break at its dots and humps. */
function breakable(name) {
  return name.split(/(?<=\.)|(?<=[a-z])(?=[A-Z])/).flatMap((part, at) => (at ? [el("wbr"), part] : [part]));
}

/** Fills an element that is already on the page. */
function show(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
}
