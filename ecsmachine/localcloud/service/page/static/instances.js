// Instances: state, resource use, console, and the engine's containers.

import { all, ask, cloud, follow, one, tagsOf } from "./cloud.js";
import { chart } from "./charts.js";
import { code, h, keep, named, panel } from "./dom.js";
import { t } from "./text.js";

const MOST_CONSOLE = 256 * 1024;

export const badge = (status) =>
  h("span", { class: "badge", "data-status": status }, t(`status.${status}`) || status);
export const empty = (...lines) => h("div", { class: "empty" }, lines.map((line) => h("p", {}, line)));
export const addressOf = (instance) => one("eips", instance.eip_id)?.address || instance.public_ip || "";

export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== "" && value !== undefined);
  return h("dl", { class: "facts" }, shown.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function details(id, close) {
  const output = h("pre", { class: "console", role: "log", tabindex: "0", dir: "ltr", "aria-label": t("console") });
  const about = h("div");
  const write = (text, whole) => {
    const atEnd = output.scrollHeight - output.scrollTop - output.clientHeight < 40;
    if (whole) output.replaceChildren(text || t("console.none"));
    else output.append(text);
    if (output.textContent.length > MOST_CONSOLE)
      output.replaceChildren(output.textContent.slice(-MOST_CONSOLE / 2));
    output.dataset.said = whole && !text ? "" : "yes";
    if (atEnd || whole) output.scrollTop = output.scrollHeight;
  };
  const open = () =>
    follow(`console/${encodeURIComponent(id)}`, {
      all: (text) => write(text, true),
      more: (text) => (output.dataset.said ? write(text, false) : write(text, true)),
    });
  let source = open();
  const seen = () => {
    source.close();
    if (document.visibilityState === "visible") source = open();
  };
  document.addEventListener("visibilitychange", seen);
  const { element, title } = panel(t("details"), t("close"), close, about, h("h3", {}, t("containers")),
    containerList(`containers/${encodeURIComponent(id)}`), h("h3", {}, t("console")), output);
  return {
    element,
    update() {
      const instance = one("instances", id);
      if (!instance) return close();
      title.replaceChildren(named(instance.name || id));
      about.replaceChildren(aboutInstance(instance));
    },
    focus: () => title.focus(),
    end() {
      source.close();
      document.removeEventListener("visibilitychange", seen);
    },
  };
}

function aboutInstance(instance) {
  const groups = instance.security_group_ids.map((id) => one("security_groups", id)?.name || id);
  const tags = tagsOf("instance", instance.id);
  return facts([
    ["ID", code(instance.id)],
    [t("state"), badge(instance.status)],
    [t("type"), code(instance.instance_type)],
    [t("image"), code(instance.image_id)],
    [t("zone"), code(instance.zone)],
    [t("private"), code([instance.private_ip, ...instance.secondary_ips].join(" "))],
    [t("public"), addressOf(instance) && code(addressOf(instance))],
    [t("groups"), h("span", {}, groups.flatMap((name, at) => [at ? ", " : "", named(name)]))],
    [t("key"), instance.key_pair && named(instance.key_pair)],
    [t("description"), instance.description && named(instance.description)],
    [t("tags"), tags.length ? h("span", {}, tags.map(tag)) : ""],
    [t("created"), code(instance.created)],
  ]);
}

export const tag = ([key, value]) =>
  h("span", { class: "tag" }, named(key), value ? " = " : "", value ? named(value) : "");

// Containers are listed on request: this takes the guest a moment.
export function containerList(path) {
  const place = h("div", { "aria-live": "polite" });
  const list = () => {
    place.replaceChildren(t("asking"));
    ask(path)
      .then((answer) => place.replaceChildren(containerTable(answer)))
      .catch((error) => place.replaceChildren(error.message));
  };
  return [h("button", { class: "list", onclick: list }, t("containers.ask")), place];
}

function containerTable({ containers, reason }) {
  if (reason) return h("p", { class: "note" }, t(`reason.${reason}`) || reason);
  if (!containers.length) return h("p", { class: "note" }, t("containers.none"));
  return table(t("containers"), ["name", "image", "state", "ports"], containers.map((each) =>
    [named(each.Names), code(each.Image), named(each.Status), code(each.Ports)]));
}

export function table(name, columns, rows) {
  return h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": name },
    h("table", {}, h("thead", {}, h("tr", {}, columns.map((each) => h("th", { scope: "col" }, t(each))))),
      h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell)))))));
}

export function instances() {
  const rows = h("ul", { class: "rows instances" });
  const none = empty(t("instances.none"), code('eval "$(ecsmachine local env)"'),
    code("ecsmachine create -d aliyunecs web1"));
  const side = h("div", { class: "side" });
  const element = h("div", { class: "split" }, h("div", {}, none, rows), side);
  const charts = new Map();
  let open = null;
  let opened = "";

  function close() {
    open?.end();
    open = null;
    side.replaceChildren();
    rows.querySelector(`[data-focus="${CSS.escape(opened)}"]`)?.focus();
    opened = "";
    mark();
  }

  function mark() {
    for (const button of rows.querySelectorAll("button[data-focus]"))
      button.setAttribute("aria-expanded", String(button.dataset.focus === opened));
  }

  function choose(id) {
    if (opened === id) return close();
    open?.end();
    opened = id;
    open = details(id, close);
    side.replaceChildren(open.element);
    open.update();
    open.focus();
    mark();
  }

  function row(instance) {
    const drawing = chart();
    charts.set(instance.id, drawing);
    drawing.draw(cloud.usage.get(instance.id));
    const { id } = instance;
    return h("li", { "data-id": id },
      h("button", { class: "name", "data-focus": id, onclick: () => choose(id), "aria-expanded": String(opened === id) },
        named(instance.name || id)),
      badge(instance.status),
      h("span", { class: "dim" }, code(instance.instance_type)),
      h("span", {}, code(instance.private_ip), " ", h("strong", {}, code(addressOf(instance)))),
      drawing.element);
  }

  return {
    element,
    update(kinds) {
      const wanted = (...names) => kinds === null || names.some((name) => kinds.has(name));
      if (wanted("instances", "eips", "link")) {
        const found = all("instances");
        none.hidden = found.length > 0;
        keep(rows, found, (each) => each.id, row);
        for (const id of charts.keys()) if (!one("instances", id)) charts.delete(id);
      }
      if (wanted("usage")) for (const [id, each] of charts) each.draw(cloud.usage.get(id));
      if (wanted("instances", "eips", "tag_sets", "security_groups")) open?.update();
    },
  };
}
