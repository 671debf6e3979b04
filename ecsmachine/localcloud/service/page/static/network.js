// The network as a picture, and "can A reach B?", which the cloud answers by its rules.

import { all, ask, one } from "./cloud.js";
import { code, h, named, svg } from "./dom.js";
import { addressOf, empty } from "./instances.js";
import { t } from "./text.js";

const COMPUTER = "computer";
const SPOKEN_ELSEWHERE = ["title", "address", "end"];
const PAD = 12;
const CHIP = { width: 182, height: 54, gap: 10 };
const COLOURS = 8;
const DRAWN = [
  ...["instances", "vpcs", "vswitches", "security_groups", "network_interfaces", "eips", "load_balancers"],
  ...["server_groups", "link"],
];
const ASKED = ["instances", "security_groups", "network_interfaces"];

const short = (text, most) => {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
};
const nameOf = (item) => item.name || item.id;

export function network() {
  const picture = svg("svg", { class: "network", role: "group", "aria-label": t("network") });
  const from = h("select", { id: "from" });
  const to = h("select", { id: "to" });
  const protocol = h("select", { id: "protocol" }, ["tcp", "udp", "icmp"].map((name) => h("option", {}, name)));
  const port = h("input", { id: "port", inputmode: "numeric", value: "2376", size: "6", autocomplete: "off" });
  const answer = h("div", { class: "answer", role: "status" });
  const form = h("form", { class: "card question" }, h("h2", {}, t("reach")),
    field("from", from), field("to", to), field("port", port), field("protocol", protocol),
    h("button", { class: "main" }, t("reach.ask")), answer);
  const groups = h("div", { class: "stack groups" });
  const none = empty(t("network.none"), code("ecsmachine create -d aliyunecs web1"));
  const scroll = h("div", { class: "drawing" }, picture);
  const element = h("div", { class: "stack" }, form, none, scroll, groups);
  let verdict = null;
  let places = new Map();
  let next = "from";

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    question();
  });
  for (const each of [from, to, protocol, port]) each.addEventListener("change", question);
  new ResizeObserver(draw).observe(scroll);

  function question() {
    if (!from.value || !to.value) return draw();
    const asked = { source: from.value, target: to.value, protocol: protocol.value, port: port.value.trim() };
    ask(`reach?${new URLSearchParams(asked)}`)
      .then((found) => {
        verdict = { ...found, ...asked };
        answer.replaceChildren(...said(verdict));
        answer.dataset.reaches = found.reaches ? "yes" : "no";
        draw();
      })
      .catch((error) => {
        verdict = null;
        answer.replaceChildren(error.message);
        draw();
      });
  }

  function choose(id) {
    if (next === "to" && id === COMPUTER) return;
    (next === "from" ? from : to).value = id;
    next = next === "from" ? "to" : "from";
    question();
  }

  function options() {
    const found = all("instances");
    const made = () => found.map((each) => h("option", { value: each.id }, `${nameOf(each)} (${each.private_ip})`));
    for (const [select, first] of [[from, h("option", { value: COMPUTER }, t("computer"))], [to, null]]) {
      const before = select.value;
      select.replaceChildren(...[first, ...made()].filter(Boolean));
      if ([...select.options].some((each) => each.value === before)) select.value = before;
    }
  }

  function draw() {
    const width = Math.max(320, scroll.clientWidth);
    const focused = document.activeElement?.dataset?.place;
    places = new Map();
    const parts = [];
    let y = PAD;
    parts.push(chip(COMPUTER, PAD, y, { title: t("computer"), lines: [t("internet")], kind: "outside" }));
    const publicBalancers = all("load_balancers").filter((each) => !vpcOf(each));
    let x = PAD + CHIP.width + CHIP.gap;
    for (const balancer of publicBalancers) {
      if (x + CHIP.width > width - PAD) [x, y] = [PAD, y + CHIP.height + CHIP.gap];
      parts.push(balancerChip(balancer, x, y));
      x += CHIP.width + CHIP.gap;
    }
    y += CHIP.height + 2 * PAD;
    for (const vpc of all("vpcs")) y = drawVpc(vpc, parts, y, width);
    const lines = [...all("load_balancers").flatMap(linesOf), ...way()];
    picture.replaceChildren(...parts, ...lines);
    picture.setAttribute("width", width);
    picture.setAttribute("height", y);
    picture.setAttribute("viewBox", `0 0 ${width} ${y}`);
    if (focused) picture.querySelector(`[data-place="${CSS.escape(focused)}"]`)?.focus();
  }

  const vpcOf = (balancer) => balancer.vpc_id || one("vswitches", balancer.vswitch_id)?.vpc_id;

  function drawVpc(vpc, parts, top, width) {
    const box = svg("rect", { class: "vpc", x: PAD, y: top, width: width - 2 * PAD, rx: 10 });
    parts.push(box, label(PAD + 10, top + 20, `VPC ${nameOf(vpc)} · ${vpc.cidr}`, "title", width));
    let y = top + 32;
    const inside = all("load_balancers").filter((each) => vpcOf(each) === vpc.id);
    const columns = Math.max(1, Math.floor((width - 4 * PAD + CHIP.gap) / (CHIP.width + CHIP.gap)));
    const grid = (items, make, start) => {
      items.forEach((item, at) => {
        const place = [2 * PAD + (at % columns) * (CHIP.width + CHIP.gap),
          start + Math.floor(at / columns) * (CHIP.height + CHIP.gap)];
        parts.push(make(item, ...place));
      });
      return start + Math.ceil(items.length / columns) * (CHIP.height + CHIP.gap);
    };
    if (inside.length) y = grid(inside, balancerChip, y);
    for (const vswitch of all("vswitches").filter((each) => each.vpc_id === vpc.id)) {
      const members = all("instances").filter((each) => each.vswitch_id === vswitch.id);
      const subnet = svg("rect", { class: "vswitch", x: 2 * PAD - 6, y, width: width - 4 * PAD + 12, rx: 8 });
      parts.push(subnet, label(2 * PAD, y + 17,
        `VSwitch ${nameOf(vswitch)} · ${vswitch.cidr} · ${vswitch.zone}`, "dim", width));
      const end = members.length ? grid(members, instanceChip, y + 26) : y + 26;
      subnet.setAttribute("height", end - y);
      y = end + PAD;
    }
    box.setAttribute("height", y - top);
    return y + PAD;
  }

  const instanceChip = (instance, x, y) => chip(instance.id, x, y, { title: nameOf(instance), kind: instance.status,
    lines: [instance.private_ip, addressOf(instance)].filter(Boolean), groups: instance.security_group_ids });

  const balancerChip = (balancer, x, y) => chip(balancer.id, x, y, { title: `⚖ ${nameOf(balancer)}`, kind: "balancer",
    lines: [balancer.address, balancer.listeners.map((each) => each.port).join(" ")] });

  function chip(id, x, y, { title, lines, kind, groups = [] }) {
    places.set(id, { x: x + CHIP.width / 2, y: y + CHIP.height / 2 });
    const end = id === from.value ? "A" : id === to.value ? "B" : "";
    const askable = kind !== "balancer";
    const act = () => askable && choose(id);
    const names = groups.map((each) => one("security_groups", each)).filter(Boolean).map(nameOf);
    const spoken = [title, ...lines, t(`status.${kind}`), ...names].filter(Boolean).join(", ");
    const press = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      act();
    };
    const means = askable ? { tabindex: 0, role: "button" } : { role: "img", "aria-label": spoken };
    return svg("g", { class: "chip", "data-kind": kind, "data-end": end || null, "data-place": id, ...means,
      onclick: act, onkeydown: press },
      svg("title", {}, spoken),
      svg("rect", { x, y, width: CHIP.width, height: CHIP.height, rx: 7 }),
      svg("rect", { class: "state", x, y, width: 5, height: CHIP.height, rx: 2 }),
      label(x + 14, y + 21, short(title, 19), "title"),
      label(x + 14, y + 40, lines.join("  "), "address"),
      ...groups.slice(0, 4).map((group, at) =>
        svg("circle", { class: `colour${colourOf(group)}`, cx: x + CHIP.width - 12 - at * 12, cy: y + 12, r: 4.5 })),
      end ? label(x + CHIP.width - 18, y + 44, end, "end") : "");
  }

  const label = (x, y, text, className, width = 0) =>
    svg("text", { x, y, class: className, "aria-hidden": SPOKEN_ELSEWHERE.includes(className) ? "true" : null },
      width ? short(text, Math.floor(width / 7.4) - 5) : text);

  function linesOf(balancer) {
    const groupIds = new Set(balancer.listeners.map((each) => each.server_group_id).filter(Boolean));
    const servers = [...balancer.backends, ...[...groupIds].flatMap((id) => one("server_groups", id)?.backends ?? [])];
    const holder = (id) => one("network_interfaces", id)?.instance_id || id;
    return [...new Set(servers.map((each) => holder(each.server_id)))]
      .filter((id) => places.has(id))
      .map((id) => line(places.get(balancer.id), places.get(id), "leads"));
  }

  function way() {
    const [start, end] = [places.get(from.value), places.get(to.value)];
    if (!verdict || !start || !end || verdict.source !== from.value || verdict.target !== to.value) return [];
    const className = verdict.reaches ? "way open" : "way closed";
    const beside = Math.abs(start.y - end.y) < CHIP.height;
    const [x, y] = [(start.x + end.x) / 2, (start.y + end.y) / 2 - (beside ? CHIP.height / 2 + 16 : 0)];
    return [line(start, end, className),
      svg("g", { class: className }, svg("circle", { cx: x, cy: y, r: 11 }),
        label(x, y + 5, verdict.reaches ? "✓" : "✕", "mark"))];
  }

  // From edge to edge: downwards, upwards, or over the top of neighbours.
  function line(start, end, className) {
    const down = Math.sign(Math.round((end.y - start.y) / CHIP.height));
    const edge = CHIP.height / 2;
    const [from, to] = [start.y + (down || -1) * edge, end.y + (down ? -down : -1) * edge];
    const bend = down ? (from + to) / 2 : from - 22;
    const d = `M${start.x},${from} C${start.x},${bend} ${end.x},${bend} ${end.x},${to}`;
    return svg("path", { class: className, d });
  }

  function drawGroups() {
    groups.replaceChildren(...all("security_groups").map((group) => {
      const members = all("instances").filter((each) => each.security_group_ids.includes(group.id)).length;
      return h("details", { class: "card", "data-group": group.id },
        h("summary", {}, h("span", { class: `dot colour${colourOf(group.id)}` }), h("h2", {}, named(nameOf(group))),
          h("span", { class: "dim" }, t("group.size", members, group.rules.length))),
        h("ul", { class: "rows plain" }, group.rules.map((rule) => h("li", {}, ruleText(rule)))));
    }));
  }

  return {
    element,
    update(kinds) {
      const wanted = (names) => kinds === null || names.some((name) => kinds.has(name));
      if (wanted(["instances", "link"])) options();
      if (wanted(DRAWN)) {
        none.hidden = all("instances").length > 0;
        drawGroups();
        draw();
      }
      if (verdict && kinds !== null && wanted(ASKED)) question();
    },
  };
}

const field = (name, control) => h("label", { for: control.id, class: name }, h("span", {}, t(name)), control);

const colours = [];
const colourOf = (group) => (colours.includes(group) ? colours.indexOf(group) : colours.push(group) - 1) % COLOURS;

const nameIn = (kind, id) => named(nameOf(one(kind, id) ?? { id }));

function ruleText(rule) {
  const peer = rule.group_id ? nameIn("security_groups", rule.group_id) : named(rule.cidr || rule.ipv6_cidr);
  const ports = ["TCP", "UDP"].includes(rule.protocol) ? ` ${rule.port_range}` : "";
  const way = rule.direction === "ingress" ? t("rule.in") : t("rule.out");
  const policy = h("span", { class: "badge", "data-status": rule.policy === "Accept" ? "done" : "refused" }, rule.policy);
  return h("span", {}, policy, " ", code(`${rule.protocol}${ports}`), ` ${way} `, peer, " ", h("span", { class: "dim" }, `#${rule.priority} `),
    named(rule.description, "dim"));
}

function said(verdict) {
  const { reaches, reason, steps, instance } = verdict;
  const head = h("p", { class: "verdict" }, h("strong", {}, t(reaches ? "reach.yes" : "reach.no")));
  if (reason !== "rules")
    return [head, h("p", {}, instance ? [nameIn("instances", instance), " "] : "", t(`reason.${reason}`))];
  const list = steps.map((step) => {
    const side = t(`side.${step.side}`);
    if (step.rule)
      return h("li", {}, `${side}: `, ruleText(step.rule), ` (${t("group")} `, nameIn("security_groups", step.group), ")");
    if (step.members)
      return h("li", {}, `${side}: ${t("reach.members")} `, nameIn("security_groups", step.members));
    return h("li", {}, `${side}: ${t(step.passes ? "reach.open" : "reach.closed")}`);
  });
  return [head, h("ol", {}, list), verdict.other_vpc ? h("p", { class: "note" }, t("reach.vpc")) : ""];
}
