// The page: its head, the shown section, and the updates of the sections.

import { cloud, listen, start } from "./cloud.js";
import { h } from "./dom.js";
import { clusters } from "./clusters.js";
import { faults } from "./faults.js";
import { instances } from "./instances.js";
import { network } from "./network.js";
import { requests } from "./requests.js";
import { resources } from "./resources.js";
import { language, setLanguage, t } from "./text.js";

const parts = { instances, network, requests, faults, resources, clusters };
document.documentElement.lang = language();

const status = h("span", { class: "link", role: "status" });
const main = h("main", { id: "main", tabindex: "-1" });
const links = Object.keys(parts).map((id) =>
  h("a", { href: `#/${id}`, "data-part": id }, h("span", {}, t(id)), h("span", { class: "count" })));
const other = language() === "zh" ? "en" : "zh";

document.body.append(
  h("a", { class: "skip", href: "#main" }, t("skip")),
  h("header", {},
    h("h1", {}, h("img", { src: "static/icon.svg", alt: "", width: 26, height: 26 }), "ecsmachine local"), status,
    h("button", { class: "quiet", lang: other, onclick: () => setLanguage(other) }, other === "zh" ? "中文" : "English")),
  h("nav", { "aria-label": t("parts") }, links),
  main,
);

const shown = {};
let current = "";

function show() {
  if (location.hash === "#main") return main.focus();
  const id = location.hash.slice(2);
  current = id in parts ? id : "instances";
  shown[current] ??= parts[current]();
  main.replaceChildren(shown[current].element);
  for (const link of links) {
    if (link.dataset.part === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(current)} · ecsmachine local`;
  shown[current].update(null);
}

function count(id, text) {
  const place = links.find((link) => link.dataset.part === id).querySelector(".count");
  if (place.textContent !== text) place.textContent = text;
}

listen((kinds) => {
  const place = h("span", { class: "region" }, `${cloud.info.region} · `);
  if (status.dataset.link !== cloud.link || kinds.has("info")) status.replaceChildren(place, t(cloud.link));
  status.dataset.link = cloud.link;
  const number = Object.keys(cloud.resources.instances ?? {}).length;
  count("instances", number ? String(number) : "");
  count("faults", cloud.faults.length ? String(cloud.faults.length) : "");
  shown[current].update(kinds);
});

addEventListener("hashchange", show);
show();
start();
