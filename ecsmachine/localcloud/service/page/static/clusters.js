// Container Service: clusters with their nodes, projects with their services and containers.

import { all, ask } from "./cloud.js";
import { code, h, keep, named } from "./dom.js";
import { badge, containerList, empty, facts } from "./instances.js";
import { t } from "./text.js";

export function clusters() {
  const cards = h("div", { class: "cards" });
  const none = empty(t("clusters.none"), code("ecsmachine cluster create --size 1 demo"),
    code("ecsmachine project create --file compose.yml web"));
  const element = h("div", {}, none, cards);

  function card(cluster) {
    const containers = h("div", { "aria-live": "polite" });
    const list = () => {
      containers.replaceChildren(t("asking"));
      ask(`clusters/${encodeURIComponent(cluster.id)}`)
        .then((answer) => containers.replaceChildren(containerList(answer)))
        .catch((error) => containers.replaceChildren(error.message));
    };
    return h("section", { class: "card", "aria-label": cluster.name },
      h("div", { class: "bar" }, h("h2", {}, named(cluster.name)), badge(cluster.state)),
      facts([
        ["ID", code(cluster.id)],
        [t("kind"), cluster.kind || "Swarm"],
        [t("nodes"), h("span", {}, cluster.nodes.map((node) => h("span", { class: "tag" }, named(node.name), " ", code(node.address))))],
      ]),
      h("h3", {}, t("projects")),
      h("ul", { class: "rows plain" }, projectsOf(cluster).map(project)),
      h("button", { class: "list", "data-focus": cluster.id, onclick: list }, t("containers.ask")),
      containers);
  }

  return {
    element,
    update(kinds) {
      if (kinds !== null && !kinds.has("clusters") && !kinds.has("projects") && !kinds.has("link")) return;
      const found = all("clusters");
      none.hidden = found.length > 0;
      // a card shows the projects of its cluster too
      const items = found.map((cluster) => combined(cluster));
      keep(cards, items, (each) => each.id, card);
    },
  };
}

const projectsOf = (cluster) => all("projects").filter((each) => each.cluster_id === cluster.id);

const combinations = new Map();

function combined(cluster) {
  const parts = [cluster, ...projectsOf(cluster)];
  const known = combinations.get(cluster.id);
  const same = known && known.parts.length === parts.length && parts.every((each, at) => each === known.parts[at]);
  if (same) return known.item;
  const item = { ...cluster };
  combinations.set(cluster.id, { parts, item });
  return item;
}

function project(each) {
  const releases = each.releases.map((release) => {
    const scales = Object.entries(release.scales).map(([service, number]) => `${service} × ${number}`);
    return `${release.version} ${release.weight} %${scales.length ? ` (${scales.join(", ")})` : ""}`;
  });
  return h("li", {}, h("strong", {}, named(each.name)),
    each.moving ? badge(each.moving) : each.failure ? badge("failed") : null,
    h("span", { class: "dim" }, named(each.failure || releases.join(", "))));
}
