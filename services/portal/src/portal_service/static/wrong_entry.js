// A worklist entry that was picked by mistake: what was scheduled beside what was performed (`scheduling`) and the images
// that are here (`storage`); and what else the station had, to one of which these may belong.
"use strict";

const WRONG_ENTRY = "110514"; // CID 9300
const NEAR_MS = 12 * 3600 * 1000;
const DAY_MS = 24 * 3600 * 1000;
const NEIGHBOURS = 8;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const worded = (...concepts) => concepts.filter(Boolean).map(({ code, text }) => text || code).join(", ");

function otherwise(performed, what, values) {
  if (performed?.differs.includes(what)) return "differs";
  return judged(values) === "unknown" ? "unknown" : "agrees";
}

function scheduledAndPerformed(exam, performed, study) {
  const step = exam.steps.find(({ step_id: id }) => performed?.step_ids.includes(id)) || exam.steps[0];
  const persons = [exam.patient, performed?.patient, study?.patient];
  const of = (value) => persons.map((patient) => (patient ? value(patient) : ""));
  const line = (name, values) => [name, values, judged(values)];
  const otherwiseLine = (name, what, values) => [name, values, otherwise(performed, what, values)];
  return sideBySide(["Scheduled", "Performed", "Images that are here"], [
    line("Patient number", of((patient) => numbered(patient.id))),
    line("Name", of(fullName)),
    line("Born", of((patient) => patient.birth_date)),
    line("Sex", of((patient) => patient.sex)),
    line("Accession", [numbered(exam.accession_number), "", numbered(study?.accession_number)]),
    line("Study UID", [exam.study_instance_uid, performed?.study_instance_uid, study?.study_instance_uid]),
    otherwiseLine("Procedure", "procedure", [worded(exam.procedure), worded(...(performed?.procedure || [])) || performed?.description, study?.description]),
    otherwiseLine("Protocol", "protocol", [worded(...(step?.protocol || [])), worded(...(performed?.protocol || [])), ""]),
    ["Step", [step?.step_id, performed?.step_ids.join(", "), ""], null],
    line("Modality", [step?.modality, performed?.modality, study?.modalities.join(", ")]),
    line("Station", [step?.station_ae_title, performed?.station_ae_title, ""]),
    ["Begins", [moment(step?.starts_at), moment(performed?.started_at), moment(study?.received_at)], null],
    ["Ended", ["", moment(performed?.ended_at), ""], null],
    line("Instances", ["", performed ? String(performed.number_of_instances) : "", study ? String(study.number_of_instances) : ""]),
    ["Reason", ["", worded(performed?.discontinuation_reason), ""], null],
  ]);
}

function linkForms(studies, orderId) {
  const cell = make("span");
  for (const study of studies) {
    const form = make("form", undefined, { class: "deed", "data-post": `/api/storage/studies/${encodeURIComponent(study)}/link`, "data-then": "/exceptions" });
    form.append(
      make("input", undefined, { type: "hidden", name: "order_id", value: orderId }),
      make("input", undefined, { name: "reason", required: "", placeholder: "Reason", "aria-label": "Reason", maxlength: "1000" }),
      make("button", "Link to this order", { class: "quiet", title: study }),
    );
    cell.append(form);
  }
  return cell;
}

function neighbourRow(entry, studies) {
  const exam = make("a", fullName(entry.patient) || "unknown", { href: `/exams/${encodeURIComponent(entry.exam_key)}` });
  const acts = UUID.test(entry.exam_key) ? linkForms(studies, entry.exam_key) : "";
  return row(moment(entry.starts_at), exam, numbered(entry.patient?.id), worded(entry.procedure), entry.accession_number?.value, entry.state.toLowerCase(), acts);
}

async function showNeighbours(exam, performed, studies) {
  const [place, at] = [$("#neighbours"), Date.parse(performed?.started_at || exam.steps[0]?.starts_at || "")];
  const station = performed?.station_ae_title || exam.steps[0]?.station_ae_title;
  if (!station || Number.isNaN(at)) return place.replaceChildren(make("p", "No station and time are known.", { class: "empty" }));
  const day = new Date(at - DAY_MS).toISOString().slice(0, 10); // wherever the site is, its day is one of three
  const agenda = await ask(`/api/scheduling/agenda?${new URLSearchParams({ station, site: exam.site, day, days: 3 })}`).catch(() => null);
  const far = ({ starts_at: start }) => Math.abs(Date.parse(start) - at);
  const others = (agenda?.steps || []).filter((entry) => entry.exam_key !== exam.exam_key && far(entry) <= NEAR_MS);
  const nearest = others.sort((one, other) => far(one) - far(other)).slice(0, NEIGHBOURS);
  if (!nearest.length) return place.replaceChildren(make("p", agenda ? "Nothing." : "Scheduling does not know this station.", { class: "empty" }));
  const table = make("table", undefined, { class: "list", "aria-labelledby": "neighbours-title" });
  const head = table.createTHead().insertRow();
  for (const title of ["At", "Patient", "Number", "Procedure", "Accession", "State", "Act"]) head.append(make("th", title, { scope: "col" }));
  table.createTBody().append(...nearest.map((entry) => neighbourRow(entry, studies)));
  place.replaceChildren(table);
}

async function showPerformed(place) {
  const exam = await ask(`/api/scheduling/exams/${encodeURIComponent(place.dataset.exam)}`).catch(() => null);
  if (!exam) {
    $("#neighbours").replaceChildren();
    return place.replaceChildren(make("p", "Scheduling does not answer, or does not know the exam.", { class: "empty" }));
  }
  const studies = place.dataset.studies.split(" ").filter(Boolean);
  const seen = await Promise.all(studies.map((uid) => ask(`/api/storage/studies/${encodeURIComponent(uid)}`).catch(() => null)));
  const mistakes = exam.performed.filter(({ discontinuation_reason: reason }) => reason?.code === WRONG_ENTRY);
  const [performed] = mistakes.sort((one, other) => other.started_at.localeCompare(one.started_at));
  const images = seen.find((study) => study?.study_instance_uid === performed?.study_instance_uid) || seen.find(Boolean);
  place.replaceChildren(scheduledAndPerformed(exam, performed, images));
  if (!performed) place.append(make("p", "No modality said so: a person linked its images to another order.", { class: "empty" }));
  if (!images) place.append(make("p", "No images of it are with this exam (any more).", { class: "empty" }));
  await showNeighbours(exam, performed, studies);
}

document.addEventListener("DOMContentLoaded", () => showPerformed($("#performed")));
