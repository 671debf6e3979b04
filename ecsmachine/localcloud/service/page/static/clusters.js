// Container Service: clusters with their nodes, projects with their services and containers.

import { all } from "./cloud.js";
import { code, h, keep, named } from "./dom.js";
import { badge, containerList, empty, facts } from "./instances.js";
import { t } from "./text.js";

export function clusters() {
  const cards = h("div", { class: "cards" });
  const none = empty(t("clusters.none"), code("ecsmachine cluster create --size 1 demo"),
    code("ecsmachine project create --file compose.yml web"));
  const element = h("div", {}, none, cards);

  const card = ([cluster, ...projects]) =>
    h("section", { class: "card", "aria-label": cluster.name },
      h("div", { class: "bar" }, h("h2", {}, named(cluster.name)), badge(cluster.state)),
      facts([
        ["ID", code(cluster.id)],
        [t("kind"), cluster.kind || "Swarm"],
        [t("nodes"), cluster.nodes.map((node) => h("span", { class: "tag" }, named(node.name), " ", code(node.address)))],
      ]),
      h("h3", {}, t("projects")),
      h("ul", { class: "rows plain" }, projects.map(project)),
      containerList(`clusters/${encodeURIComponent(cluster.id)}`));

  return {
    element,
    update(kinds) {
      if (kinds !== null && !["clusters", "projects", "link"].some((kind) => kinds.has(kind))) return;
      const found = all("clusters");
      none.hidden = found.length > 0;
      const projectsOf = (cluster) => all("projects").filter((each) => each.cluster_id === cluster.id);
      keep(cards, found.map((each) => [each, ...projectsOf(each)]), ([each]) => each.id, card);
    },
  };
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
