// All other resources, one table per kind.

import { all, cloud, one, tagsOf } from "./cloud.js";
import { code, h, named } from "./dom.js";
import { badge, empty, table, tag } from "./instances.js";
import { t } from "./text.js";

const owner = (item) => named(one("instances", item.instance_id)?.name || item.instance_id || "–");
const name = (item) => named(item.name || item.id);
const state = (item) => badge(item.status);
const size = (item) => code(item.size_gib ? `${item.size_gib} GiB` : "");
const created = (item) => code(item.created ?? "");
const tags = (type) => (item) => tagsOf(type, item.id || item.key_id).map(tag);
const ports = (item) => code(item.listeners.map((each) => `${each.protocol} ${each.port}`).join(", "));

// The columns of each kind: headings and values.
const KINDS = {
  disks: { name, state, kind: (item) => code(`${item.kind} ${item.category}`), size, instance: owner, tags: tags("disk") },
  snapshots: { name, state, size, created, tags: tags("snapshot") },
  images: { name, kind: (item) => t(item.system ? "image.system" : "image.own"), size, created, tags: tags("image") },
  key_pairs: { name, fingerprint: (item) => code(item.fingerprint), created, tags: tags("keypair") },
  eips: { address: (item) => code(item.address), name, state, instance: owner, tags: tags("eip") },
  load_balancers: { name, state, address: (item) => code(item.address), ports, tags: tags("loadbalancer") },
  launch_templates: { name, version: (item) => code(item.latest_version), created, tags: tags("launchtemplate") },
  commands: { name, kind: (item) => code(item.kind ?? ""), tags: tags("command") },
  tag_sets: { name: (item) => code(item.id), tags: (item) => Object.entries(item.tags).map(tag) },
};

const ROWS = {
  images: () => [...all("custom_images"), ...cloud.info.images.map((id) => ({ id, name: id, system: true }))],
  tag_sets: () => all("tag_sets").filter((each) => Object.keys(each.tags).length),
};

export function resources() {
  const sections = Object.entries(KINDS).map(([kind, columns]) => {
    const number = h("span", { class: "count" });
    const body = h("div");
    const title = t(`kind.${kind}`);
    const element = h("details", { class: "card", open: kind === "disks" || kind === "images" },
      h("summary", {}, h("h2", {}, title), number), body);
    const draw = () => {
      const found = ROWS[kind]?.() ?? all(kind);
      number.textContent = found.length || "";
      if (!element.open) return;
      const cells = found.map((item) => Object.values(columns).map((cell) => cell(item)));
      body.replaceChildren(found.length ? table(title, Object.keys(columns), cells) : empty(t("resources.none")));
    };
    element.addEventListener("toggle", draw);
    return { element, draw };
  });
  const element = h("div", { class: "stack" }, sections.map((each) => each.element));
  const often = new Set(["usage", "requests", "faults"]);
  return {
    element,
    update: (kinds) => {
      if (kinds === null || [...kinds].some((kind) => !often.has(kind) && kind !== "link"))
        sections.forEach((each) => each.draw());
    },
  };
}
