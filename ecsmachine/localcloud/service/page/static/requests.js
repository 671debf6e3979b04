// Requests, live; an open request shows its answer, and code to repeat it.

import { ask, cloud } from "./cloud.js";
import { code, copied, h, keep, named, panel } from "./dom.js";
import { empty, facts } from "./instances.js";
import { t } from "./text.js";

const MOST_ROWS = 250;
const MOST_BRIEF = 400;

const json = (value) => JSON.stringify(value, null, 2);
const timeOf = (text) => new Date(text).toLocaleTimeString([], { hour12: false });
const duration = (seconds) => (seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);

function outcome(request) {
  if (request.not_implemented.length) return "missing";
  if (request.status === 0) return "cut";
  return request.status < 400 ? "done" : "refused";
}

function details(number, close) {
  const body = h("div", {}, t("asking"));
  const { element, title } = panel(t("details"), t("close"), close, body);
  ask(`requests/${number}`)
    .then(({ request, code: texts }) => {
      title.textContent = `${request.action || request.path} #${number}`;
      body.replaceChildren(
        facts([
          [t("product"), [request.product, request.version].join(" ")],
          [t("client"), code(request.client)],
          [t("program"), request.user_agent && named(request.user_agent)],
          [t("answer"), `${request.status} ${request.code}`],
          [t("took"), duration(request.seconds)],
          ["RequestId", code(request.request_id)],
        ]),
        block(t("parameters"), json(request.parameters)),
        ...Object.entries(texts).map(([name, text]) => block(t(`as.${name}`), text, true)),
        block(t("answer"), json(request.answer)),
      );
    })
    .catch((error) => body.replaceChildren(error.message));
  return { element, title };
}

function block(title, text, copyable) {
  const button = h("button", { class: "quiet", onclick: () => copied(button, text, t("copied")) }, t("copy"));
  return h("details", { open: !copyable }, h("summary", {}, title), copyable ? button : null,
    h("pre", { tabindex: "0", dir: "ltr", role: "region", "aria-label": title }, text));
}

export function requests() {
  const text = h("input", { type: "search", placeholder: t("filter.text"), "aria-label": t("filter.text") });
  const which = h("select", { "aria-label": t("filter.which") },
    ["all", "done", "refused", "missing", "cut"].map((name) => h("option", { value: name }, t(`which.${name}`))));
  const pause = h("button", { "aria-pressed": "false" }, t("pause"));
  const rows = h("ul", { class: "rows requests" });
  const none = empty(t("requests.none"), code('eval "$(ecsmachine local env)"'), code("ecsmachine ls"));
  const side = h("div", { class: "side" });
  const element = h("div", { class: "split" },
    h("div", {}, h("div", { class: "filters", role: "search" }, text, which, pause), none, rows), side);
  let held = null;
  let opened = 0;

  function close() {
    side.replaceChildren();
    rows.querySelector(`[data-focus="${opened}"]`)?.focus();
    opened = 0;
  }

  function choose(number) {
    opened = number;
    const made = details(number, close);
    side.replaceChildren(made.element);
    made.title.focus();
  }

  function fits(request) {
    if (which.value !== "all" && outcome(request) !== which.value) return false;
    const words = text.value.toLowerCase().trim();
    if (!words) return true;
    const whole = `${request.action} ${request.code} ${request.client} ${JSON.stringify(request.parameters)}`;
    return whole.toLowerCase().includes(words);
  }

  function row(request) {
    const kind = outcome(request);
    const notes = request.not_implemented.join(", ");
    const said = kind === "cut" ? t("which.cut") : `${request.status} ${request.code}`;
    return h("li", { "data-outcome": kind },
      h("span", { class: "dim" }, code(timeOf(request.time))),
      h("button", { class: "name", "data-focus": request.number, onclick: () => choose(request.number) },
        named(request.action || request.path)),
      h("span", { class: "badge", "data-status": kind }, said.trim()),
      h("span", { class: "dim" }, duration(request.seconds)),
      h("span", { class: "dim shorten" }, named(notes ? `${t("missing")}: ${notes}` : brief(request))),
      request.leftOut ? h("span", { class: "note" }, t("left", request.leftOut)) : null);
  }

  function draw() {
    const found = (held ?? cloud.requests).filter(fits).slice(-MOST_ROWS).reverse();
    none.hidden = cloud.requests.length > 0;
    keep(rows, found, (each) => each.number, row);
  }

  for (const each of [text, which]) each.addEventListener("input", draw);
  pause.addEventListener("click", () => {
    held = held ? null : cloud.requests;
    pause.setAttribute("aria-pressed", String(held !== null));
    draw();
  });
  return { element, update: (kinds) => (kinds === null || kinds.has("requests") || kinds.has("link")) && draw() };
}

function brief(request) {
  const named = Object.entries(request.parameters).filter(([name]) => name !== "RegionId");
  return named.map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(" ").slice(0, MOST_BRIEF);
}
