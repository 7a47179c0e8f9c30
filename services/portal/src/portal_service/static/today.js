// Who comes to a station today: arrive, start, complete, note; what the modality says by MPPS is seen as it says it.
"use strict";

const today = { shown: null };
const HERE = ["SCHEDULED", "MISSED"];
const TO_DO = ["SCHEDULED", "ARRIVED", "MISSED"];

function stepActs(step) {
  const acts = made("div", "acts");
  const act = (text, name, body, words) => acts.append(deed(text, examAddress(step.exam_key, name), body, showToday, words));
  const meant = { step_ids: [step.step_id] };
  if (HERE.includes(step.state)) act("Arrived", "arrive", {}, "The patient is here.");
  if (TO_DO.includes(step.state) && !step.held) act("Start", "start", meant, "Started.");
  if (step.state === "STARTED" && step.performed !== "IN PROGRESS") act("Complete", "complete", meant, "Completed.");
  acts.append(deedWithText("Note", examAddress(step.exam_key, "notes"), "text", "Note", showToday, "Noted."));
  return acts;
}

// Where the patient is: the ward, the room, the bed; or that they are not here.
function whereabouts({ visit, patient_location: location }) {
  const place = location ?? {};
  const known = [place.point_of_care, place.room, place.bed, place.floor, place.building, place.facility].filter(Boolean);
  if (known.length) return known.join(", ");
  return visit && visit.state !== "admitted" ? `visit ${visit.state}` : "";
}

function patientCell(step) {
  const { patient } = step;
  const about = [patient?.id?.value, patient?.birth_date, patient?.sex].filter(Boolean).join(", ");
  return filledWith(made("div"), link(personName(patient), `/exams/${encodeURIComponent(step.exam_key)}`), made("br"), made("small", "", about),
    made("div", "whereabouts", whereabouts(step)));
}

function protocolCell(step) {
  const lines = [
    step.protocol.map((code) => code.text || code.code).join(" → "),
    step.contrast_agent && `Contrast: ${step.contrast_agent}`,
    step.pre_medication && `Before: ${step.pre_medication}`,
    step.preparation,
  ];
  return filledWith(made("div"), ...lines.filter(Boolean).map((line) => made("div", "", line)));
}

function stepRow(step, times) {
  const part = step.number_of_steps > 1 ? ` ${step.number}/${step.number_of_steps}` : "";
  const line = row(
    filledWith(made("div"), made("b", "", times.time(step.starts_at)), made("br"), made("small", "", step.booked ? "booked" : "no appointment")),
    filledWith(made("div"), urgency(step.priority), " ", stateMark(step.state), made("br"),
      made("small", "", [step.held && "on hold", step.performed && `MPPS ${step.performed}`].filter(Boolean).join(", "))),
    patientCell(step),
    filledWith(made("div"), `${procedureName(step)}${part}`, made("br"), made("small", "", step.accession_number?.value ?? "")),
    protocolCell(step),
    filledWith(made("div"), ...step.notes.map((note) => made("div", "note", `${times.time(note.at)} ${note.by}: ${note.text}`))),
    stepActs(step),
  );
  Object.assign(line.dataset, { exam: step.exam_key, line: step.step_id });
  return line;
}

async function showToday() {
  today.shown ??= await stationShown(1);
  const agenda = await agendaOf(today.shown);
  const times = clock(agenda.time_zone);
  neighbours(today.shown, agenda);
  const steps = agenda.steps.filter((step) => step.state !== "CANCELLED");
  const lines = steps.map((step) => stepRow(step, times));
  repaint($("#today"), lines.length ? lines : [row("Nobody comes.")]);
}

document.addEventListener("DOMContentLoaded", () => keepLooking(showToday, $("#today")));
