// The state of the cloud: stored here; listeners get its changes, once a frame.

const MOST_REQUESTS = 500;
const MOST_SAMPLES = 60;
const action = document.querySelector('meta[name="action"]').content;

export const cloud = {
  resources: {},
  requests: [],
  faults: [],
  usage: new Map(),
  info: { region: "", images: [], kinds: {} },
  link: "waiting", // or "live", "away"
};

const listeners = new Set();
let changed = new Set();
let stream = null;

export const listen = (callback) => listeners.add(callback);

function tell(...kinds) {
  if (changed.size === 0) requestAnimationFrame(told);
  kinds.forEach((kind) => changed.add(kind));
}

function told() {
  const kinds = changed;
  changed = new Set();
  listeners.forEach((callback) => callback(kinds));
}

export const all = (kind) => Object.values(cloud.resources[kind] ?? {});
export const one = (kind, id) => cloud.resources[kind]?.[id];

export const tagsOf = (type, id) => Object.entries(one("tag_sets", `${type}/${id}`)?.tags ?? {});

export async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const answer = await fetch(path, { ...options, headers: { "X-Ecsmachine-Action": action } });
  const isJson = answer.headers.get("content-type")?.includes("json");
  const value = isJson ? await answer.json() : { error: await answer.text() };
  if (!answer.ok) throw new Error([value.error, value.hint].filter(Boolean).join(" "));
  return value;
}

export function follow(path, events) {
  const source = new EventSource(path);
  for (const [name, callback] of Object.entries(events))
    source.addEventListener(name, (event) => callback(JSON.parse(event.data)));
  return source;
}

function take(changes) {
  const { resources = {}, requests = [], left_out: left = 0, faults } = changes;
  for (const [kind, values] of Object.entries(resources)) {
    const table = { ...cloud.resources[kind] };
    for (const [id, value] of Object.entries(values)) {
      if (value === null) delete table[id];
      else table[id] = value;
    }
    cloud.resources[kind] = table;
  }
  if (requests.length) {
    if (left && cloud.requests.length) requests[0].leftOut = left;
    cloud.requests = [...cloud.requests, ...requests].slice(-MOST_REQUESTS);
    tell("requests");
  }
  if (faults) {
    cloud.faults = faults;
    tell("faults");
  }
  tell(...Object.keys(resources), "link");
}

function takeUsage(now) {
  const time = performance.now() / 1000;
  for (const id of cloud.usage.keys()) if (!now[id]) cloud.usage.delete(id);
  for (const [id, [memory, cpu]] of Object.entries(now)) {
    const before = cloud.usage.get(id) ?? { samples: [] };
    const share = before.time ? Math.max(0, (cpu - before.cpu) / (time - before.time)) : 0;
    const samples = [...before.samples, { memory, share }].slice(-MOST_SAMPLES);
    cloud.usage.set(id, { time, cpu, samples });
  }
  tell("usage");
}

function open() {
  let first = true;
  stream = follow("events", {
    changes(changes) {
      if (first) {
        // It may be the same cloud after a pause, or a restarted one.
        first = false;
        cloud.resources = {};
        cloud.requests = [];
        tell(...Object.keys(changes.resources ?? {}), "requests", "instances");
      }
      cloud.link = "live";
      take(changes);
    },
    usage: takeUsage,
  });
  stream.onerror = () => {
    first = true;
    cloud.link = stream.readyState === EventSource.CLOSED ? "away" : "waiting";
    tell("link");
  };
}

export function start() {
  ask("info").then((info) => {
    cloud.info = info;
    tell("info");
  });
  open();
  // A hidden page requests nothing.
  document.addEventListener("visibilitychange", () => {
    stream.close();
    if (document.visibilityState === "visible") open();
  });
}
