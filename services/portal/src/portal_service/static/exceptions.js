// The exceptions list and its entries: images and orders side by side. Who owns something answers for it, `/api/<owner>/…`.
"use strict";

const CRITERIA = {
  study_uid: "Study UID", accession: "Accession", requested_procedure: "Requested procedure", scheduled_step: "Scheduled step",
  patient_number: "Patient number", name: "Name", birth_date: "Born", sex: "Sex", modality: "Modality", day: "Day", station: "Station",
};
const SIGNS = { agrees: "agrees", near: "nearly", differs: "differs", unknown: "not said" };

function make(tag, text, attributes = {}) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// Things beside each other: a column for each, a line for what is compared. A line is its name, what each says, and whether
// that agrees; null where they need not. What none of them says has no line.
function sideBySide(titles, lines) {
  const table = make("table", undefined, { class: "compared" });
  const head = table.createTHead().insertRow();
  for (const title of ["", ...titles, ""]) head.append(make("th", title, { scope: "col" }));
  const body = table.createTBody();
  for (const [name, values, agreement] of lines) {
    if (!values.some(Boolean)) continue;
    const line = body.insertRow();
    line.className = agreement || "";
    line.append(make("th", name, { scope: "row" }));
    for (const value of values) line.append(make("td", value || "–"));
    line.append(make("td", SIGNS[agreement] || "", { class: "sign" }));
  }
  return table;
}

const comparison = (findings, beside) => sideBySide(
  ["Images", beside],
  findings.map(({ criterion, agreement, images, order }) => [CRITERIA[criterion] || criterion, [images, order], agreement]),
);

// Whether all that is said is the same, in whatever case; unknown where fewer than two say anything.
function judged(values) {
  const said = values.filter(Boolean).map((value) => String(value).toLowerCase());
  if (said.length < 2) return "unknown";
  return new Set(said).size === 1 ? "agrees" : "differs";
}

const fullName = (patient) => [patient?.family_name, patient?.given_name].filter(Boolean).join(", ");
const numbered = (number) => (number ? `${number.value} of ${number.issuer}` : "");
const moment = (at) => (at ? new Date(at).toLocaleString() : "");

function linkForm(study, candidate) {
  const form = make("form", undefined, { "data-post": `/api/storage/studies/${encodeURIComponent(study)}/link`, "data-then": "/exceptions" });
  form.append(
    make("input", undefined, { type: "hidden", name: "order_id", value: candidate.order_id }),
    make("input", undefined, { name: "reason", required: "", placeholder: "Reason", "aria-label": "Reason", maxlength: "1000" }),
    make("button", "Link to this order"),
  );
  return form;
}

function entry(study, candidate, first) {
  const { code, text } = candidate.procedure || {};
  const differing = candidate.findings.filter(({ agreement }) => agreement === "differs").map(({ criterion }) => CRITERIA[criterion]);
  const about = [
    text || code || "procedure unknown",
    candidate.open ? "open" : "not open",
    differing.length ? `differs: ${differing.join(", ")}` : "nothing differs",
  ].join(" · ");
  const box = make("details", undefined, first ? { open: "" } : {});
  const summary = make("summary");
  summary.append(make("strong", `${candidate.score} points`), ` ${about} `);
  const exam = make("a", "its exam", { href: `/exams/${encodeURIComponent(candidate.order_id)}` });
  box.append(summary, comparison(candidate.findings, "Order"), linkForm(study, candidate), exam);
  return box;
}

async function showCandidates(place) {
  const study = place.dataset.study;
  const found = await ask(`/api/storage/studies/${encodeURIComponent(study)}/candidates`).catch(() => null);
  const none = found ? "No order is near: neither number, nor patient, nor time." : "Storage does not answer, or does not know the study.";
  place.replaceChildren(...(found?.length ? found.map((each, at) => entry(study, each, at === 0)) : [make("p", none, { class: "empty" })]));
}

async function showRegistered(place) {
  const findings = await ask(`/api/storage/studies/${encodeURIComponent(place.dataset.study)}/registration`).catch(() => null);
  const none = findings ? "Nobody is registered under it." : "Storage does not answer, or does not know the study.";
  place.replaceChildren(findings?.length ? comparison(findings, "Registered") : make("p", none, { class: "empty" }));
}

async function showActs(place) {
  const acts = await ask(`/api/storage/studies/${encodeURIComponent(place.dataset.study)}/links`).catch(() => []);
  const lines = acts.map(({ act, actor, reason, at }) => make("li", `${new Date(at).toLocaleString()}: ${act} by ${actor}, ${reason}`));
  place.replaceChildren(...(lines.length ? lines : [make("li", "Nothing yet.", { class: "empty" })]));
}

function nested(fields) {
  const body = {};
  for (const [name, value] of Object.entries(fields)) {
    const path = name.split(".");
    const last = path.pop();
    path.reduce((at, step) => (at[step] ??= {}), body)[last] = value;
  }
  return body;
}

async function placeOrder(form) {
  const order = nested(filled(form));
  await send("POST", "/api/order/orders", { ...order, site: form.dataset.site, study_instance_uid: form.dataset.newOrder });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.closest("#dead-letters")) setTimeout(showDeadLetters, 800);
  if (form.closest("#early-messages")) setTimeout(showEarlyMessages, 800);
  if (!form.dataset.newOrder) return;
  event.preventDefault();
  const button = $("button", form);
  button.disabled = true; // an order is not placed twice by a nervous finger
  try {
    await placeOrder(form);
    notice("The order is placed; the images are linked to it.");
    setTimeout(() => location.assign("/exceptions"), 1200);
  } catch (error) {
    button.disabled = false;
    notice(error.message, true);
  }
});

// What nobody does without saying why.
function reasoned(words, address) {
  const form = make("form", undefined, { class: "deed", "data-post": address });
  const reason = { name: "reason", required: "", placeholder: "Reason", "aria-label": "Reason", maxlength: "1000" };
  form.append(make("input", undefined, reason), make("button", words, { class: "quiet" }));
  return form;
}

const ABOUT_EXAMS = ["order-events", "exam-events", "study-events", "report-events"];
const OF_LETTER = ["state", "partition", "offset", "key", "event_id", "attempts", "first_seen", "awaits_kind", "awaits_id"];

// The fact of a dead letter: where it stands, and what it is about. Its body is not given out.
function letterFact(letter, open) {
  const name = `${letter.service} ${letter.id}`;
  const box = make("details", undefined, { "data-letter": name, ...(open.has(name) ? { open: "" } : {}) });
  const known = make("dl");
  const fields = OF_LETTER.filter((name) => letter[name] !== null && letter[name] !== undefined);
  known.append(...fields.flatMap((name) => [make("dt", name.replaceAll("_", " ")), make("dd", said(letter[name]))]));
  box.append(make("summary", `${letter.type || "?"} #${letter.sequence ?? "?"}`), known);
  if (letter.key && ABOUT_EXAMS.includes(letter.topic)) box.append(link("Its exam", `/exams/${encodeURIComponent(letter.key)}`));
  return box;
}

async function showDeadLetters() {
  const place = $("#dead-letters");
  const found = await Promise.all(place.dataset.services.split(" ").map(async (service) => {
    const held = await ask(`/api/${service}/dead-letters`).catch(() => ({ dead_letters: [] }));
    return held.dead_letters.map((letter) => ({ ...letter, service }));
  }));
  if (place.contains(document.activeElement) && document.activeElement.tagName === "INPUT") return; // somebody types
  const open = new Set([...place.querySelectorAll("[data-letter][open]")].map(({ dataset }) => dataset.letter));
  const lines = found.flat().map((letter) => {
    const fact = letterFact(letter, open);
    const acts = make("span");
    const to = `/api/${letter.service}/dead-letters/${letter.id}`;
    acts.append(act("Replay", `${to}/replay`, showDeadLetters), reasoned("Give up", `${to}/drop`));
    return row(
      letter.service, letter.topic, fact,
      [letter.error, letter.detail].filter(Boolean).join(": "), new Date(letter.since).toLocaleString(), letter.behind, acts,
    );
  });
  place.replaceChildren(...(lines.length ? lines : [row("There is none.")]));
}

// What a room keeps of something that it has given up: whatever it says, by its own names.
async function showWork(place) {
  const work = await ask(place.dataset.lookUp).catch(() => null);
  if (!work) return place.replaceChildren(make("dt", "Its owner does not answer.", { class: "empty" }));
  const lines = Object.entries(work).filter(([, value]) => value !== null && value !== "");
  place.replaceChildren(...lines.flatMap(([name, value]) => [make("dt", name.replaceAll("_", " ")), make("dd", said(value))]));
}

const said = (value) => {
  if (typeof value === "object") return Object.values(value).map(said).join(" ");
  return /^\d{4}-\d\d-\d\dT/.test(value) ? new Date(value).toLocaleString() : String(value);
};

async function showEarlyMessages() {
  const place = $("#early-messages");
  const early = await ask("/api/order/early").catch(() => []);
  if (place.contains(document.activeElement) && document.activeElement.tagName === "INPUT") return; // somebody types
  const lines = early.map(({ wish_id: id, control, placer_order_number: number, site, received_at: at, refused }) => {
    const to = `/api/order/early/${id}`;
    const acts = make("span");
    if (refused) acts.append(act("Try again", `${to}/repeat`, showEarlyMessages));
    acts.append(reasoned("Nothing is to be done", `${to}/cancel`));
    return row(
      control, number.value, site, new Date(at).toLocaleString(), refused || "it waits for its order", acts,
    );
  });
  place.replaceChildren(...(lines.length ? lines : [row("There is none.")]));
}

async function showWaitingReports() {
  const reports = await ask("/api/reporting/waiting").catch(() => null);
  $("#waiting-reports").textContent = reports ? `${reports.length} waiting` : "Reporting does not answer.";
}

document.addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll(".candidates")) showCandidates(place);
  if ($("#registered")) showRegistered($("#registered"));
  if ($("#acts")) showActs($("#acts"));
  if ($("#work")) showWork($("#work"));
  if ($("#dead-letters")) { showDeadLetters(); setInterval(showDeadLetters, 15000); }
  if ($("#early-messages")) showEarlyMessages();
  if ($("#waiting-reports")) showWaitingReports();
});

document.addEventListener("click", async (event) => {
  const address = event.target.dataset?.look;
  if (!address) return;
  try {
    const answer = await send("GET", address);
    const { text, answer: said } = await answer.json();
    $("#message").textContent = `${text}\n\n${said}`;
  } catch (error) {
    notice(error.message, true);
  }
});
