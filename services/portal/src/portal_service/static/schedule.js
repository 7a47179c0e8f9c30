// What the pages of `scheduling` share, and the waiting list. They ask and tell its door; times are those of the site.
"use strict";

const DOOR = "/api/scheduling";
const examAddress = (key, act) => `${DOOR}/exams/${encodeURIComponent(key)}/${act}`;

function clock(timeZone) {
  const format = (options) => {
    const made = new Intl.DateTimeFormat("en-GB", { timeZone, ...options });
    return (instant) => made.format(new Date(instant));
  };
  return {
    time: format({ hour: "2-digit", minute: "2-digit", hour12: false }),
    day: format({ weekday: "short", day: "numeric", month: "short" }),
    both: format({ weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false }),
  };
}

function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function filledWith(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== ""));
  return element;
}

function personName(patient) {
  return [patient?.family_name, patient?.given_name].filter(Boolean).join(", ") || "unknown";
}

function urgency(priority) {
  return priority && priority !== "ROUTINE" ? made("span", "priority", priority) : "";
}

function procedureName(exam) {
  return exam.procedure?.text || exam.procedure?.code || "";
}

function stateMark(state) {
  return made("span", `state ${state.toLowerCase()}`, state.toLowerCase());
}

// A button, or a small form with a reason, that posts what somebody does; `after` looks again.
function deed(text, address, body, after, words) {
  const button = made("button", "quiet", text);
  button.type = "button";
  button.onclick = () => does(address, body, after, words);
  return button;
}

function deedWithText(text, address, field, placeholder, after, words) {
  const form = made("form", "deed");
  const input = made("input");
  Object.assign(input, { name: field, placeholder, required: true, maxLength: 200 });
  input.setAttribute("aria-label", placeholder);
  form.append(input, " ", made("button", "quiet", text));
  form.onsubmit = (event) => {
    event.preventDefault();
    const said = input.value.trim();
    input.blur();
    const done = (exam, problem) => {
      if (exam) form.reset();
      return after(exam, problem);
    };
    if (said) does(address, { [field]: said }, done, words);
  };
  return form;
}

// Shows the lines of now. A form in which somebody has begun to write goes over to its line as it is: the answer of a
// door may come while somebody types, and what a door refused can be sent again.
function repaint(region, lines) {
  const focused = document.activeElement;
  for (const line of lines) {
    const before = region.querySelector(`[data-line="${CSS.escape(line.dataset.line)}"] form.deed`);
    const begun = before && (before.contains(focused) || [...before.elements].some((field) => field.value));
    if (begun) line.querySelector("form.deed")?.replaceWith(before);
  }
  region.replaceChildren(...lines);
  if (region.contains(focused)) focused.focus();
}

async function does(address, body, after, words) {
  try {
    const answer = await send("POST", address, body);
    const exam = await answer.json();
    notice(typeof words === "function" ? words(exam, answer.status) : words);
    await after(exam);
  } catch (error) {
    notice(error.message, true);
    await after(null, error.problem);
  }
}

function bookedWords(times) {
  return (exam, status) => status === 202
    ? "No slot is free: the exam waits for one."
    : `Booked: ${exam.steps.map((step) => `${times.both(step.starts_at)} ${step.station_ae_title}`).join(", ")}.`;
}

// The form that says which station, site and day are shown.
async function stationShown(daysShown) {
  const form = $("#station");
  const asked = new URLSearchParams(location.search);
  const { stations } = await ask(`${DOOR}/catalogue`);
  const site = asked.get("site") || "MAIN";
  const titles = stations.filter((station) => !station.site || station.site === site).map((station) => station.ae_title);
  const select = form.elements.station;
  select.replaceChildren(...titles.map((title) => new Option(title, title)));
  select.value = titles.includes(asked.get("station")) ? asked.get("station") : titles[0];
  select.onchange = () => form.requestSubmit();
  return { site, station: select.value, day: asked.get("day") || "", days: daysShown };
}

function agendaOf({ site, station, day, days }) {
  const asked = new URLSearchParams({ site, station, days });
  if (day) asked.set("day", day);
  return ask(`${DOOR}/agenda?${asked}`);
}

function neighbours(shown, agenda) {
  const localDate = new Intl.DateTimeFormat("en-CA", { timeZone: agenda.time_zone });
  const first = localDate.format(new Date(agenda.days[0].starts_at));
  for (const [id, by] of [["#before", -shown.days], ["#after", shown.days]]) {
    const day = new Date(`${first}T12:00:00Z`);
    day.setUTCDate(day.getUTCDate() + by);
    const asked = new URLSearchParams({ site: shown.site, station: shown.station, day: day.toISOString().slice(0, 10) });
    $(id).href = `?${asked}`;
  }
  $("#place").textContent = `${agenda.name || agenda.station_ae_title}, ${agenda.time_zone}`;
}

// Looks again when an exam has changed, and every few seconds as a net; not while somebody types.
function keepLooking(look, region) {
  const again = () => {
    const busy = region.contains(document.activeElement) && document.activeElement.tagName === "INPUT";
    if (!busy) look().catch(() => notice("Scheduling does not answer.", true));
  };
  again();
  listen(again);
  setInterval(again, 10000);
}

function wantedWords(item, times) {
  const parts = [
    item.after && `after ${times.both(item.after)}`,
    item.before && `before ${times.both(item.before)}`,
    item.station_ae_title && `on ${item.station_ae_title}`,
    item.take_up ? "" : "ask first",
  ];
  return parts.filter(Boolean).join(", ");
}

async function showWaitingList() {
  const times = clock(undefined);
  const { waiting } = await ask(`${DOOR}/waiting`);
  const acts = (item) => filledWith(
    made("div", "acts"),
    deed("Next free slot", examAddress(item.exam_key, "book-next"), {}, showWaitingList, bookedWords(times)),
    deedWithText("Waits no longer", examAddress(item.exam_key, "stop-waiting"), "reason", "Reason", showWaitingList, "Taken off the list."),
  );
  const lines = waiting.map((item) => {
    const line = row(
      urgency(item.priority),
      times.both(item.since),
      link(personName(item.patient), `/exams/${encodeURIComponent(item.exam_key)}`),
      procedureName(item),
      item.reason,
      wantedWords(item, times),
      acts(item),
    );
    line.dataset.line = item.exam_key;
    return line;
  });
  repaint($("#waiting-list"), lines.length ? lines : [row("Nobody waits for a slot.")]);
}

document.addEventListener("DOMContentLoaded", () => {
  if ($("#waiting-list")) keepLooking(showWaitingList, $("#waiting-list"));
});
