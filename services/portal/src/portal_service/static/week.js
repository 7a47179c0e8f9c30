// The week of a station: opening hours, blocks, who is booked and who is planned; appointments made, moved, cancelled.
"use strict";

const MINUTE = 60000;
const PIXELS_PER_MINUTE = 2;
const DAY_SHOWN = [7 * 60, 19 * 60]; // of a station that is always open
const GRID_MINUTES = 5;

const week = { shown: null, agenda: null, times: null, chosen: null };

const minutes = (from, to) => (new Date(to) - new Date(from)) / MINUTE;

// From which minute of a day to which one: what is open, and who comes outside of it.
function hoursShown(agenda) {
  let [first, last] = [Infinity, -Infinity];
  const add = (start, end) => {
    const day = agenda.days.find((each) => each.starts_at <= start && start < each.ends_at);
    if (!day) return;
    first = Math.min(first, minutes(day.starts_at, start));
    last = Math.max(last, Math.min(minutes(day.starts_at, end), minutes(day.starts_at, day.ends_at)));
  };
  const wholeDays = agenda.open.some((span) => minutes(span.starts_at, span.ends_at) >= 23 * 60);
  if (wholeDays) [first, last] = DAY_SHOWN;
  else agenda.open.forEach((span) => add(span.starts_at, span.ends_at));
  agenda.steps.forEach((step) => add(step.starts_at, endOf(step)));
  return first < last ? [Math.floor(first / 60) * 60, Math.ceil(last / 60) * 60] : DAY_SHOWN;
}

function endOf(step) {
  return new Date(+new Date(step.starts_at) + step.duration_minutes * MINUTE).toISOString().replace(".000Z", "Z");
}

function placed(element, top, height) {
  element.style.top = `${top * PIXELS_PER_MINUTE}px`;
  element.style.height = `${Math.max(height * PIXELS_PER_MINUTE, 14)}px`;
  return element;
}

function column(day, [first, last]) {
  const { agenda, times } = week;
  const from = new Date(+new Date(day.starts_at) + first * MINUTE);
  const until = new Date(Math.min(+new Date(day.starts_at) + last * MINUTE, +new Date(day.ends_at)));
  const within = (start, end) => [new Date(Math.max(new Date(start), from)), new Date(Math.min(new Date(end), until))];
  const body = made("div", "hours");
  body.style.height = `${(last - first) * PIXELS_PER_MINUTE}px`;
  const put = (element, start, end) => {
    const [begins, ends] = within(start, end);
    if (begins < ends) body.append(placed(element, minutes(from, begins), minutes(begins, ends)));
  };
  for (const span of agenda.open) put(openSpan(...within(span.starts_at, span.ends_at)), span.starts_at, span.ends_at);
  for (let hour = +from; hour < until; hour += 60 * MINUTE) {
    put(made("div", "hour", times.time(hour)), hour, hour + 60 * MINUTE);
  }
  for (const block of agenda.blocks) {
    put(blockElement(block), block.starts_at, block.ends_at);
  }
  const ours = agenda.steps.filter((step) => day.starts_at <= step.starts_at && step.starts_at < day.ends_at);
  for (const [step, lane, lanes] of inLanes(ours)) {
    const element = stepElement(step);
    element.style.left = `calc(2rem + (100% - 2.1rem) * ${lane / lanes})`;
    element.style.width = `calc((100% - 2.2rem) / ${lanes})`;
    put(element, step.starts_at, endOf(step));
  }
  return filledWith(made("div", "day"), made("h2", "", times.day(day.starts_at)), body);
}

// Steps that overlap stand side by side.
function inLanes(steps) {
  const found = [];
  let group = [], ends = [];
  const close = () => {
    found.push(...group.map(([step, lane]) => [step, lane, ends.length]));
    group = [];
    ends = [];
  };
  for (const step of steps) {
    if (ends.every((end) => end <= step.starts_at)) close();
    let lane = ends.findIndex((end) => end <= step.starts_at);
    if (lane < 0) lane = ends.length;
    ends[lane] = endOf(step);
    group.push([step, lane]);
  }
  close();
  return found;
}

function openSpan(start, end) {
  const element = made("div", "open");
  element.title = "Free: with an exam chosen, a click books it here; without one it can be blocked";
  element.onclick = (event) => {
    const past = (event.offsetY / element.clientHeight) * (end - start);
    const grid = GRID_MINUTES * MINUTE;
    const clicked = new Date(Math.floor((+start + past) / grid) * grid);
    if (week.chosen) return bookAt(clicked, { station_ae_title: week.shown.station });
    fillBlock(clicked);
  };
  return element;
}

function stepElement(step) {
  const kind = step.booked ? "booked" : "planned";
  const element = made("button", `step ${kind} ${step.state.toLowerCase()}${isUrgent(step) ? " urgent" : ""}`);
  element.type = "button";
  if (step.exam_key === week.chosen?.exam_key) element.classList.add("chosen");
  const part = step.number_of_steps > 1 ? ` ${step.number}/${step.number_of_steps}` : "";
  filledWith(
    element,
    made("b", "", `${week.times.time(step.starts_at)} `),
    urgency(step.priority),
    ` ${personName(step.patient)}`,
    made("small", "", ` ${procedureName(step)}${part}${step.booked ? "" : ", no appointment"}`),
  );
  element.title = element.textContent;
  element.onclick = () => choose(step.exam_key);
  return element;
}

const isUrgent = (step) => Boolean(step.priority) && step.priority !== "ROUTINE";

async function choose(key, problem) {
  const exam = await ask(`${DOOR}/exams/${encodeURIComponent(key)}`);
  week.chosen = exam;
  const open = ["SCHEDULED", "ARRIVED", "MISSED"].includes(exam.state);
  const booked = exam.steps.some((step) => step.booked);
  const act = (text, name, body, words) => deed(text, examAddress(key, name), body, after, words);
  const asking = (text, name, words) => deedWithText(text, examAddress(key, name), "reason", "Reason", after, words);
  const acts = made("div", "acts");
  if (open && !booked) acts.append(act("Next free slot", "book-next", {}, bookedWords(week.times)));
  if (exam.state === "SCHEDULED" || exam.state === "MISSED") acts.append(act("Arrived", "arrive", {}, "The patient is here."));
  if (exam.state === "SCHEDULED") acts.append(asking("Missed", "miss", "Missed: on the waiting list."));
  if (open && booked) acts.append(asking("Cancel the appointment", "give-up", "Cancelled: the exam waits for another one."));
  if (open && !booked && !exam.waiting_since) acts.append(asking("Wait", "wait", "On the waiting list."));
  if (exam.waiting_since) acts.append(asking("Waits no longer", "stop-waiting", "Taken off the list."));
  filledWith(
    $("#chosen"),
    filledWith(made("h2"), link(personName(exam.patient), `/exams/${encodeURIComponent(key)}`), " ", urgency(exam.priority), " ", stateMark(exam.state)),
    made("p", "", `${procedureName(exam)}, ${exam.accession_number?.value ?? ""}`),
    filledWith(made("ol", "plan"), ...exam.steps.map((step) => made("li", "",
      `${week.times.both(step.starts_at)}, ${step.station_ae_title}, ${step.duration_minutes} min, ${step.booked ? "booked" : "planned"}`))),
    exam.steps.some((step) => step.preparation)
      ? made("p", "preparation", exam.steps.map((step) => step.preparation).filter(Boolean).join(" ")) : "",
    acts,
    open ? await offers(exam, booked, problem) : "",
  );
}

// Free slots for all steps of the exam: those that a refusal named, else the next ones from the week shown on.
async function offers(exam, booked, problem) {
  const start = new Date(Math.max(Date.now(), new Date(week.agenda.days[0].starts_at))).toISOString();
  const asked = new URLSearchParams({ after: start, limit: 6 });
  const slots = problem?.alternatives ?? (await ask(`${DOOR}/exams/${encodeURIComponent(exam.exam_key)}/slots?${asked}`)).slots;
  const list = made("ol", "exams");
  list.append(...slots.map((slot) => {
    const button = made("button", "quiet", `${week.times.both(slot.starts_at)} ${slot.stations.join(" + ")}`);
    button.type = "button";
    button.onclick = () => bookAt(new Date(slot.starts_at), { stations: slot.stations });
    return filledWith(made("li"), button);
  }));
  const title = problem ? `${problem.detail}. Free instead` : booked ? "Move to" : "Book";
  return filledWith(made("div", problem ? "offers refused" : "offers"), made("h3", "", title),
    slots.length ? list : made("p", "empty", "Nothing is free."));
}

function bookAt(start, where) {
  const exam = week.chosen;
  const name = exam.steps.some((step) => step.booked) ? "move" : "book";
  return does(examAddress(exam.exam_key, name), { starts_at: start.toISOString(), ...where }, after, bookedWords(week.times));
}

async function after(exam, problem) {
  await showWeek();
  if (week.chosen) await choose(week.chosen.exam_key, problem?.alternatives ? problem : undefined);
}

async function showWeek() {
  week.shown ??= await stationShown(7);
  week.agenda = await agendaOf(week.shown);
  week.times = clock(week.agenda.time_zone);
  neighbours(week.shown, week.agenda);
  const hours = hoursShown(week.agenda);
  $("#week").replaceChildren(...week.agenda.days.map((day) => column(day, hours)));
  const { waiting } = await ask(`${DOOR}/waiting?${new URLSearchParams({ site: week.shown.site, limit: 30 })}`);
  const lines = waiting.map((item) => {
    const button = made("button", "quiet");
    button.type = "button";
    filledWith(button, urgency(item.priority), ` ${personName(item.patient)} `, made("small", "", procedureName(item)));
    button.onclick = () => choose(item.exam_key);
    return filledWith(made("li"), button);
  });
  $("#waiting").replaceChildren(...(lines.length ? lines : [made("li", "empty", "Nobody.")]));
}

document.addEventListener("DOMContentLoaded", () => keepLooking(showWeek, $("main")));
