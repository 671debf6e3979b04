// Elements of the page. Text from the API becomes text nodes and nothing else.

const SVG = "http://www.w3.org/2000/svg";

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

export const h = (tag, attributes, ...children) =>
  build(document.createElement(tag), attributes, children);

export const svg = (tag, attributes, ...children) =>
  build(document.createElementNS(SVG, tag), attributes, children);

// A name in any script: its text direction does not affect its neighbours.
export const named = (text, className) => h("bdi", { class: className }, String(text ?? ""));

export const code = (text) => h("code", { dir: "ltr" }, text);

// Lets a container show the items in their order. Elements of items that are the same value (or lists
// of the same values) stay, and keep the focus.
export function keep(container, items, keyOf, make) {
  const known = container.known ?? new Map();
  const now = new Map();
  const focus = document.activeElement?.closest?.("[data-focus]");
  const focused = focus && container.contains(focus) ? focus.dataset.focus : null;
  let next = container.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    let entry = known.get(key);
    if (entry === undefined || !same(entry.item, item)) {
      if (next !== null && next === entry?.element) next = next.nextSibling;
      entry?.element.remove();
      entry = { item, element: make(item) };
    }
    now.set(key, entry);
    if (entry.element === next) next = next.nextSibling;
    else container.insertBefore(entry.element, next);
  }
  for (const [key, entry] of known) if (!now.has(key)) entry.element.remove();
  container.known = now;
  if (focused !== null && !container.contains(document.activeElement))
    container.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

const same = (one, other) =>
  one === other || (Array.isArray(one) && one.length === other.length && one.every((each, at) => each === other[at]));

// The panel beside a list: its title gets the focus, Escape closes it.
export function panel(name, closing, close, ...content) {
  const title = h("h2", { tabindex: "-1" });
  const bar = h("div", { class: "bar" }, title, h("button", { class: "quiet", onclick: close }, closing));
  const element = h("section", { class: "panel", "aria-label": name }, bar, content);
  element.addEventListener("keydown", (event) => event.key === "Escape" && close());
  return { element, title };
}

export function copied(button, text, done) {
  const before = button.textContent;
  navigator.clipboard.writeText(text).then(() => {
    button.textContent = done;
    setTimeout(() => (button.textContent = before), 1500);
  });
}
