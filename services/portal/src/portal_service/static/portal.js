// Live pages without a framework: what changed is fetched again, what a person does is posted to its owner as JSON.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);

function notice(text, bad = false) {
  const line = $("#notice");
  line.textContent = text;
  line.className = bad ? "bad" : "";
  line.hidden = false;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => (line.hidden = true), 6000);
}

function user() {
  const field = $("#user");
  if (!field.value.trim()) {
    field.focus();
    throw new Error("Say who you are first: your name stands on what you do.");
  }
  return field.value.trim();
}

function naming(name) {
  return { "X-FJ-User": String.fromCharCode(...new TextEncoder().encode(name)) };
}

// Of what had no answer, the key under which it was sent: sent again, it is the same request, which its owner does once.
const unanswered = new Map();

function keyOf(said) {
  const numbers = crypto.getRandomValues(new Uint32Array(4)); // randomUUID is for https alone
  if (!unanswered.has(said)) unanswered.set(said, [...numbers].map((number) => number.toString(16).padStart(8, "0")).join(""));
  return unanswered.get(said);
}

async function send(method, address, body) {
  const name = user();
  const said = JSON.stringify([method, address, name, body]);
  const answer = await fetch(address, {
    method,
    headers: { "Content-Type": "application/json", "Idempotency-Key": keyOf(said), ...naming(name) },
    body: JSON.stringify(body),
  });
  if (answer.status < 500) unanswered.delete(said); // else the gateway may speak, and the owner may have done it
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(problem.detail || problem.title || `${answer.status} ${answer.statusText}`), { problem });
  }
  return answer;
}

function filled(form) {
  const entries = [...new FormData(form)].filter(([, value]) => value.trim());
  return Object.fromEntries(entries);
}

async function refresh() {
  const live = $("#live");
  const answer = await fetch(location.href);
  if (!live || !answer.ok || live.contains(document.activeElement)) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = $("#live", page);
  if (fresh && fresh.innerHTML !== live.innerHTML) live.replaceChildren(...fresh.childNodes);
}

function listen(onChange) {
  new EventSource("/api/portal/changes").onmessage = (message) => {
    clearTimeout(listen.timer);
    const { exams } = JSON.parse(message.data);
    listen.timer = setTimeout(() => onChange(exams), 150);
  };
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.post && !form.dataset.report) return;
  event.preventDefault();
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) return;
  try {
    if (form.dataset.post) {
      await send("POST", form.dataset.post, filled(form));
      notice("Done.");
      form.dispatchEvent(new CustomEvent("done", { bubbles: true }));
      if (form.dataset.then) setTimeout(() => location.assign(form.dataset.then), 800);
    } else {
      await report(form, event.submitter.value);
    }
    document.activeElement.blur();
    setTimeout(refresh, 400);
  } catch (error) {
    notice(error.message, true);
  }
});

async function report(form, act) {
  const { text, impression, reason } = filled(form);
  if (act === "draft") {
    await send("PUT", `${form.dataset.report}/draft`, { text, impression });
    notice("Kept as a draft; nobody else sees it as a report.");
  } else {
    await send("POST", `${form.dataset.report}/${act}`, act === "amend" ? { text, impression, reason } : { text, impression });
    form.reset();
    notice({ preliminary: "Given out as preliminary.", sign: "Signed.", amend: "Amended." }[act]);
  }
}

function row(...cells) {
  const line = document.createElement("tr");
  for (const cell of cells) {
    const field = line.insertCell();
    if (cell instanceof Node) field.append(cell);
    else field.textContent = cell ?? "";
  }
  return line;
}

function link(text, address) {
  const anchor = document.createElement("a");
  anchor.textContent = text;
  anchor.href = address;
  return anchor;
}

function act(text, address, after) {
  const button = document.createElement("button");
  button.className = "quiet";
  button.textContent = text;
  button.onclick = () => send("POST", address, {}).then(() => setTimeout(after, 500), (error) => notice(error.message, true));
  return button;
}

// Who says who they are may be shown more.
async function ask(address) {
  const name = $("#user")?.value.trim();
  const answer = await fetch(address, { headers: name ? naming(name) : {} });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

function whose(item, name) {
  const cell = document.createElement("span");
  cell.append(link(name(item.patient), `/exams/${encodeURIComponent(item.exam_key)}`));
  if (item.contradicted_by?.length) {
    const mark = document.createElement("span");
    mark.className = "unconfirmed";
    mark.textContent = "unconfirmed";
    mark.title = `another ${item.contradicted_by.join(", ").replaceAll("_", " ")} than its number is of`;
    cell.append(" ", mark);
  }
  return cell;
}

async function showReadingList() {
  const items = await ask("/api/reporting/reading-list").catch(() => null);
  if (!items) return notice("Reporting does not answer.", true);
  const name = (patient) => [patient.family_name, patient.given_name].filter(Boolean).join(", ") || "unknown";
  const lines = items.map((item) => row(
    item.priority === "ROUTINE" ? "" : item.priority,
    item.priority === "ROUTINE" ? "" : item.priority_reason,
    whose(item, name),
    item.procedure?.text || item.procedure?.code || item.description,
    item.accession_number?.value,
    item.number_of_instances,
    item.report_status === "P" ? "preliminary" : item.has_draft ? "draft" : "",
    new Date(item.available_at).toLocaleString(),
  ));
  $("#reading").replaceChildren(...(lines.length ? lines : [row("Nothing waits to be read.")]));
}

async function showSystem() {
  const letters = [];
  await Promise.all([...document.querySelectorAll("[data-service]")].map(async (line) => {
    const service = line.dataset.service;
    const [, answers, lag, dead] = line.cells;
    try {
      const behind = await ask(`/api/${service}/lag`);
      const held = await ask(`/api/${service}/dead-letters`);
      answers.textContent = "yes";
      lag.textContent = behind.lag;
      dead.textContent = held.total;
      letters.push(...held.dead_letters.map((letter) => ({ ...letter, service })));
    } catch {
      answers.textContent = "no";
    }
  }));
  $("#letters").replaceChildren(...letters.map((letter) => row(
    letter.service,
    `${letter.type || "?"} #${letter.sequence ?? "?"} of ${letter.key}`,
    [letter.error, letter.detail].filter(Boolean).join(": "),
    new Date(letter.since).toLocaleString(),
    letter.behind,
    act("Replay", `/api/${letter.service}/dead-letters/${letter.id}/replay`, showSystem),
  )));
  const abandoned = await ask("/api/ehr_sync/deliveries?state=abandoned").catch(() => []);
  $("#abandoned").replaceChildren(...(abandoned.deliveries || abandoned).map((delivery) => row(
    delivery.destination,
    `${delivery.kind} ${delivery.status}`,
    delivery.reason,
    delivery.attempts,
    act("Send again", `/api/ehr_sync/deliveries/${delivery.delivery_id}/repeat`, showSystem),
  )));
  const unmatched = await ask("/api/storage/unmatched").catch(() => []);
  $("#unmatched").replaceChildren(...(unmatched.studies || unmatched).map((study) => row(
    link(study.study_instance_uid, `/exams/${encodeURIComponent(study.study_instance_uid)}`),
    study.reason,
  )));
}

document.addEventListener("DOMContentLoaded", () => {
  const field = $("#user");
  field.value = localStorage.getItem("filmjacket-user") || "";
  field.oninput = () => localStorage.setItem("filmjacket-user", field.value.trim());
  const live = $("#live");
  if (live) listen((exams) => (live.dataset.live === "any" || exams.includes(live.dataset.live)) && refresh());
  if ($("#reading")) { showReadingList(); listen(showReadingList); }
  if ($("#services")) { showSystem(); setInterval(showSystem, 5000); }
});
