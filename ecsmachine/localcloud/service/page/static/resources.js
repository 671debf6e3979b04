// Everything else that there is, a table a kind.

import { all, cloud, one, tagsOf } from "./cloud.js";
import { code, h, named } from "./dom.js";
import { badge, empty, table, tag } from "./instances.js";
import { t } from "./text.js";

const withTags = (type) => (item) => h("span", {}, tagsOf(type, item.id || item.key_id).map(tag));
const owner = (item) => named(one("instances", item.instance_id)?.name || item.instance_id || "–");

const KINDS = {
  disks: {
    columns: {
      name: (item) => named(item.name || item.id), state: (item) => badge(item.status),
      kind: (item) => code(`${item.kind} ${item.category}`), size: (item) => code(`${item.size_gib} GiB`),
      instance: owner, tags: withTags("disk"),
    },
  },
  snapshots: {
    columns: {
      name: (item) => named(item.name || item.id), state: (item) => badge(item.status),
      size: (item) => code(`${item.size_gib} GiB`), created: (item) => code(item.created),
      tags: withTags("snapshot"),
    },
  },
  images: {
    rows: () => [...all("custom_images"), ...cloud.info.images.map((id) => ({ id, name: id, system: true }))],
    columns: {
      name: (item) => named(item.name || item.id), kind: (item) => t(item.system ? "image.system" : "image.own"),
      size: (item) => code(item.size_gib ? `${item.size_gib} GiB` : ""), created: (item) => code(item.created ?? ""),
      tags: withTags("image"),
    },
  },
  key_pairs: {
    columns: {
      name: (item) => named(item.name), fingerprint: (item) => code(item.fingerprint),
      created: (item) => code(item.created), tags: withTags("keypair"),
    },
  },
  eips: {
    columns: {
      address: (item) => code(item.address), name: (item) => named(item.name || item.id),
      state: (item) => badge(item.status), instance: owner, tags: withTags("eip"),
    },
  },
  load_balancers: {
    columns: {
      name: (item) => named(item.name || item.id), state: (item) => badge(item.status), address: (item) => code(item.address),
      ports: (item) => code(item.listeners.map((each) => `${each.protocol} ${each.port}`).join(", ")),
      tags: withTags("loadbalancer"),
    },
  },
  launch_templates: {
    columns: {
      name: (item) => named(item.name), version: (item) => code(`${item.latest_version}`),
      created: (item) => code(item.created), tags: withTags("launchtemplate"),
    },
  },
  commands: {
    columns: { name: (item) => named(item.name || item.id), kind: (item) => code(item.kind ?? ""), tags: withTags("command") },
  },
  tag_sets: {
    rows: () => all("tag_sets").filter((each) => Object.keys(each.tags).length),
    columns: {
      name: (item) => code(item.id), tags: (item) => h("span", {}, Object.entries(item.tags).map(tag)),
    },
  },
};

export function resources() {
  const sections = Object.entries(KINDS).map(([kind, { columns, rows }]) => {
    const number = h("span", { class: "count" });
    const body = h("div");
    const title = t(`kind.${kind}`);
    const element = h("details", { class: "card", open: kind === "disks" || kind === "images" },
      h("summary", {}, h("h2", {}, title), number), body);
    const draw = () => {
      const found = rows ? rows() : all(kind);
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
